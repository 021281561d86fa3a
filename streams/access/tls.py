"""Certificates and keys of a client, read again when their files change."""

import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

log = logging.getLogger(__name__)
Stamp = tuple[tuple[int, int, int], ...]
"""Of each file: inode, size, time of the last change (ns)."""


class BadCertificate(ValueError):
    """A certificate or key cannot be used; the message names setting, file and remedy."""


@dataclass(frozen=True, slots=True)
class Files:
    """PEM files of a client. Without `ca` the machine's own list of authorities counts; `cert` and `key` come together or not at all."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    key_password: str = field(default="", repr=False)

    def stamp(self) -> Stamp:
        """Another one after any file was replaced. Raises OSError."""
        found = [path.stat() for path in (self.ca, self.cert, self.key) if path is not None]
        return tuple((at.st_ino, at.st_size, at.st_mtime_ns) for at in found)

    def context(self) -> ssl.SSLContext:
        """What these files say now. The server's name is always checked. Raises BadCertificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca is None:
            context.load_default_certs()
        else:
            self._load(
                "BROKER_CA",
                self.ca,
                "the PEM file of the authority that signed the brokers' certificates",
                context.load_verify_locations,
            )
        if self.cert is not None and self.key is not None:
            cert, key = self.cert, self.key
            self._load(
                "BROKER_CERT",
                cert,
                "a PEM file of this client's certificate and of what signed it",
                lambda path: path.read_text("ascii"),
            )
            self._load(
                "BROKER_KEY", key,
                "the PEM file of the private key of ZONEPULSE_BROKER_CERT; of an encrypted one, its password is in"
                " ZONEPULSE_BROKER_KEY_PASSWORD_FILE",
                lambda path: context.load_cert_chain(cert, path, self._password),
            )  # fmt: skip
        return context

    def _password(self) -> str:
        """Without one OpenSSL would ask at the terminal."""
        return self.key_password or _no_password()

    @staticmethod
    def _load(setting: str, path: Path, expected: str, load: Any) -> None:
        try:
            load(path)
        except ssl.SSLError as error:
            raise BadCertificate(
                f"ZONEPULSE_{setting} names {str(path)!r}, which cannot be used ({error.reason}): expected {expected}"
            ) from error
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise BadCertificate(
                f"ZONEPULSE_{setting} names {str(path)!r}, which cannot be read ({why}): expected {expected}"
            ) from error


NO_FILES: Final = Files()


def _no_password() -> NoReturn:
    raise ValueError("the key is encrypted")


class RenewedContext(ssl.SSLContext):
    """A client's context for every connection to come: each uses what the files hold then.

    Files that are being replaced (a certificate whose key is still the old one) leave the last good ones in use, with a line in the log.
    """

    def __new__(cls, _: Files) -> "RenewedContext":  # noqa: D102
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, files: Files) -> None:
        self._files = files
        self._stamp: Stamp = ()
        self._newest = files.context()
        self._renew()

    def _renew(self) -> ssl.SSLContext:
        try:
            if (stamp := self._files.stamp()) != self._stamp:
                self._newest = self._files.context()
                self._stamp = stamp  # of before the files were read: what changed meanwhile is read again
        except (OSError, BadCertificate) as error:
            log.warning("certificates are as they were: %s", error)
        return self._newest

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """kafka-python's way to a connection."""
        return self._renew().wrap_socket(*args, **kwargs)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """asyncio's, and with it aiokafka's."""
        return self._renew().wrap_bio(*args, **kwargs)
