"""Tokens of an identity provider for Kafka (OAUTHBEARER), printed by a command: no client of any provider is part of zonepulse.

The command is the operator's: a curl to Keycloak, `az account get-access-token`, a file that a sidecar renews (`cat FILE`).
"""

import base64
import json
import shlex
import subprocess
import threading
import time
from collections.abc import Generator
from functools import cache
from typing import Any, Final

from aiokafka.abc import AbstractTokenProvider as AiokafkaProvider
from kafka.net.sasl.oauth import AbstractTokenProvider as KafkaProvider

PATIENCE_S: Final = 5.0
"""Of a command: less than a worker's session at its group."""
KEPT_S: Final = 60.0
"""How long a token is shown again that does not say itself when it ends."""
USED: Final = 0.7
"""Of the time that it says."""


class NoToken(RuntimeError):
    """The command prints none; the message says what it said, and never what may be a token."""


class Token(str):
    """As text, for kafka-python; awaited, the same, for aiokafka."""

    def __await__(self) -> Generator[None, None, str]:
        return str(self)
        yield


class TokenCommand(KafkaProvider, AiokafkaProvider):  # type: ignore[misc]
    """Runs the command when a token is asked for and the last one has lost most of its time. For any thread."""

    def __init__(self, command: str) -> None:
        self._words = shlex.split(command)
        self._token, self._until_s = Token(), 0.0
        self._lock = threading.Lock()

    @classmethod
    @cache
    def of(cls, command: str) -> "TokenCommand":
        """One for all clients of this process."""
        return cls(command)

    def token(self) -> Token:
        """Raises NoToken."""
        with self._lock:
            if time.time() >= self._until_s:
                self._token = self._printed()
                self._until_s = _until_s(self._token, time.time())
            return self._token

    def extensions(self) -> dict[str, str]:
        """None."""
        return {}

    def _printed(self) -> Token:
        remedy = "run it by hand; ZONEPULSE_BROKER_TOKEN_COMMAND is to print a token and nothing else"
        try:
            done = subprocess.run(self._words, capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise NoToken(f"the command for a token does not come to an end ({type(error).__name__}): {remedy}") from None
        found = done.stdout.strip()
        if done.returncode or not found or not found.isascii() or len(found.split()) != 1:
            said = done.stderr.strip().splitlines()[-1:] or ["nothing on stderr"]
            raise NoToken(f"the command for a token ends with {done.returncode} ({said[0][:200]}): {remedy}")
        return Token(found)


def _until_s(token: str, now_s: float) -> float:
    """Until when it is shown again: most of its time where it is a JWT that says its end, else KEPT_S."""
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        return now_s + USED * max(0.0, float(claims["exp"]) - now_s)
    except (IndexError, ValueError, KeyError, TypeError, OverflowError):
        return now_s + KEPT_S
