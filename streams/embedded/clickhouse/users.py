"""Who may use the embedded ClickHouse endpoint, and as what."""

import hashlib
import hmac
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from zonepulse.streams.embedded.clickhouse.errors import AUTHENTICATION_FAILED, ClickHouseError
from zonepulse.streams.embedded.processes.private_files import write_private

Role = Literal["writer", "reader"]
STRONG_CHARACTERS: Final = 12
_NO_PROTECTION: Final = frozenset({"additional_table_filters", "additional_result_filter"})


class BadUsers(ValueError):
    """The users file cannot be used; the message says why and what to do."""


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One user: a `password_sha256` (hexadecimal digest), a `password` itself, or `password_env`, the environment variable that holds it.

    `settings` are ClickHouse settings of all its queries. They hold no companies apart: whoever may read the store may read the zone.
    """

    name: str
    role: Role
    password: str = ""
    password_env: str = ""
    password_sha256: str = ""
    settings: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"User({self.name!r}, {self.role})"


class Users:
    """The users, known by digests of their passwords."""

    def __init__(self, users: list[User], environ: Mapping[str, str]) -> None:
        self._users = {user.name: (user, _known_digest(user, environ)) for user in users}
        self.weak = [user.name for user in users if 0 < len(_clear(user, environ)) < STRONG_CHARACTERS]
        """Users whose passwords are short enough to be guessed."""

    def authenticate(self, name: str, password: str) -> User:
        """The user. Raises ClickHouseError 516, the same for a wrong password and an unknown name."""
        user, digest = self._users.get(name, (None, _digest("")))
        is_right = hmac.compare_digest(digest, _digest(password))
        if user is None or not is_right:
            text = "Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)"
            raise ClickHouseError(AUTHENTICATION_FAILED, f"{name[:100]!a}: {text}")
        return user


def read_users(path: Path, environ: Mapping[str, str]) -> Users:
    """Users of a JSON file: a list of objects. Raises BadUsers, also if others may read a file with passwords in it."""
    try:
        users = msgspec.json.decode(path.read_bytes(), type=list[User])
    except (OSError, msgspec.DecodeError) as error:
        raise BadUsers(f"users file {path}: {error}") from error
    for user in users:
        if forbidden := set(user.settings) & _NO_PROTECTION:
            raise BadUsers(
                f"users file {path}, user {user.name!r}: {forbidden.pop()} protects no rows (merge() and others pass by it)"
            )
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077 and any(user.password for user in users):
        raise BadUsers(f"users file {path} holds passwords and others may read it (mode {mode:o}): chmod 600 {path}")
    return Users(users, environ)


def write_users(path: Path, users: list[User]) -> None:
    """Writes a users file that only its owner may read."""
    write_private(path, msgspec.json.format(msgspec.json.encode(users)))


def digest_of(password: str) -> str:
    """What `password_sha256` holds."""
    return _digest(password).hex()


def _clear(user: User, environ: Mapping[str, str]) -> str:
    return environ.get(user.password_env, "") if user.password_env else user.password


def _known_digest(user: User, environ: Mapping[str, str]) -> bytes:
    if user.password_sha256:
        if not re.fullmatch(r"[0-9a-f]{64}", user.password_sha256):
            raise BadUsers(f"user {user.name!r}: password_sha256 is no digest of 64 hexadecimal digits")
        return bytes.fromhex(user.password_sha256)
    password = _clear(user, environ)
    if not password:
        where = (
            f"environment variable {user.password_env}" if user.password_env else "`password`, `password_env` or `password_sha256`"
        )
        raise BadUsers(f"user {user.name!r} has no password: set {where}")
    return _digest(password)


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode(errors="surrogateescape")).digest()
