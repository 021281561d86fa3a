"""Who may use the embedded ClickHouse endpoint, and as what."""

import hashlib
import hmac
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from zonepulse.streams.embedded.clickhouse_errors import AUTHENTICATION_FAILED, ClickHouseError

Role = Literal["writer", "reader"]


class BadUsers(ValueError):
    """The users file cannot be used; the message says why and what to do."""


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One user: `password` itself, or `password_env`, the environment variable that holds it.

    `settings` are ClickHouse settings of all its queries, e.g. `additional_table_filters` to show a company its own rows.
    """

    name: str
    role: Role
    password: str = ""
    password_env: str = ""
    settings: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"User({self.name!r}, {self.role})"


class Users:
    """The users, known by digests of their passwords."""

    def __init__(self, users: list[User], environ: Mapping[str, str]) -> None:
        self._users = {user.name: (user, _digest(_password(user, environ))) for user in users}

    def authenticate(self, name: str, password: str) -> User:
        """The user. Raises ClickHouseError 516, the same for a wrong password and an unknown name."""
        user, digest = self._users.get(name, (None, _digest("")))
        is_right = hmac.compare_digest(digest, _digest(password))
        if user is None or not is_right:
            text = "Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)"
            raise ClickHouseError(AUTHENTICATION_FAILED, f"{name}: {text}")
        return user


def read_users(path: Path, environ: Mapping[str, str]) -> Users:
    """Users of a JSON file: a list of objects. Raises BadUsers, also if others may read a file with passwords in it."""
    try:
        users = msgspec.json.decode(path.read_bytes(), type=list[User])
    except (OSError, msgspec.DecodeError) as error:
        raise BadUsers(f"users file {path}: {error}") from error
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077 and any(user.password for user in users):
        raise BadUsers(f"users file {path} holds passwords and others may read it (mode {mode:o}): chmod 600 {path}")
    return Users(users, environ)


def write_users(path: Path, users: list[User]) -> None:
    """Writes a users file that only its owner may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(msgspec.json.format(msgspec.json.encode(users)))


def _password(user: User, environ: Mapping[str, str]) -> str:
    password = environ.get(user.password_env, "") if user.password_env else user.password
    if not password:
        where = f"environment variable {user.password_env}" if user.password_env else "`password` or `password_env`"
        raise BadUsers(f"user {user.name!r} has no password: set {where}")
    return password


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode()).digest()
