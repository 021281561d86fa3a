"""Tokens that a command prints. Real Kafka takes them in tests/integration/secured/test_entrance.py."""

import asyncio
import base64
import json
import sys
from pathlib import Path

import pytest
from faust.auth import OAuthCredentials

from zonepulse.streams.access.address import Access, Address, connection_to
from zonepulse.streams.access.tokens import NoToken, Token, TokenCommand, _until_s
from zonepulse.streams.kafka.app import credentials


def jwt(**claims: object) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.x"


def test_both_clients_take_the_same_token() -> None:
    async def awaited() -> str:
        return await Token("abc")

    assert Token("abc") == "abc" == asyncio.run(awaited())


def test_it_is_shown_again_for_most_of_its_time() -> None:
    assert _until_s(jwt(exp=1_100), 1_000.0) == 1_070.0
    assert _until_s(jwt(exp=900), 1_000.0) == 1_000.0, "at its end: the next client asks anew"
    for opaque in ("abc", "a.b.c", jwt(sub="x"), jwt(exp="soon"), jwt(exp=[])):
        assert _until_s(opaque, 1_000.0) == 1_060.0


def test_every_client_gets_the_command() -> None:
    broker = Address("127.0.0.1:9", Access("SASL_SSL", "OAUTHBEARER", token_command="cat token"))
    found = connection_to(broker)
    assert found["sasl_mechanism"] == "OAUTHBEARER" and "sasl_plain_username" not in found
    faust = credentials(broker)
    assert isinstance(faust, OAuthCredentials) and faust.oauth_cb is found["sasl_oauth_token_provider"]
    assert faust.protocol.value == "SASL_SSL"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import sys; print('no login', file=sys.stderr); sys.exit(3)", "ends with 3 (no login)"),
        ("print('secret and more')", "ends with 0 (nothing on stderr)"),
        ("pass", "ends with 0"),
    ],
)
def test_a_command_that_prints_no_token_is_named_and_what_it_prints_is_not(program: str, told: str) -> None:
    with pytest.raises(NoToken) as failed:
        TokenCommand(f'{sys.executable} -c "{program}"').token()
    assert told in str(failed.value) and "ZONEPULSE_BROKER_TOKEN_COMMAND" in str(failed.value)
    assert "secret" not in str(failed.value)


@pytest.mark.integration
def test_the_command_runs_once_for_many_connections(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    command = TokenCommand(f"cat {tmp_path / 'token'}")
    assert command.token() == "abc"
    (tmp_path / "token").unlink()
    assert command.token() == "abc"
