"""Where a broker is and how to get in: one value, made once from the settings, that every client's options come from.

An `Address` is its text, `host:port,host:port`, and is passed, printed and compared as such. Who makes a client asks `connection_to` for
the rest.
Text that has lost its access, or never had one, means a plain connection: a broker that wants more refuses it.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Self

from zonepulse.streams.access.tls import NO_FILES, Files, RenewedContext

PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS: Final = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER")


@dataclass(frozen=True, slots=True)
class Access:
    """How to get in. Passwords are in no representation of it."""

    protocol: str = "PLAINTEXT"
    mechanism: str = MECHANISMS[0]
    user: str = ""
    password: str = field(default="", repr=False)
    files: Files = NO_FILES
    token_command: str = ""
    """Prints a token, for OAUTHBEARER."""

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection is TLS."""
        return self.protocol.endswith("SSL")

    @property
    def has_password(self) -> bool:
        """Whether a user and a password are shown."""
        return self.protocol.startswith("SASL") and not self.has_token

    @property
    def has_token(self) -> bool:
        """Whether a token is shown."""
        return self.protocol.startswith("SASL") and self.mechanism == "OAUTHBEARER"


PLAIN: Final = Access()


class Address(str):
    """`host:port`, several separated by commas, and the access to them."""

    access: Access = PLAIN

    def __new__(cls, text: str, access: Access = PLAIN) -> Self:  # noqa: D102
        made = super().__new__(cls, text)
        made.access = access
        return made


def access_of(broker: str) -> Access:
    """Of text alone: a plain connection."""
    return broker.access if isinstance(broker, Address) else PLAIN


def connection_to(broker: str) -> dict[str, Any]:
    """What kafka-python's and aiokafka's clients alike are given to connect. Raises tls.BadCertificate."""
    access = access_of(broker)
    found: dict[str, Any] = {"bootstrap_servers": broker.split(",")}
    if access.protocol != "PLAINTEXT":
        found["security_protocol"] = access.protocol
    if access.is_encrypted:
        found["ssl_context"] = RenewedContext(access.files)
    if access.has_password:
        found |= {
            "sasl_mechanism": access.mechanism,
            "sasl_plain_username": access.user,
            "sasl_plain_password": access.password,
        }
    if access.has_token:
        from zonepulse.streams.access.tokens import TokenCommand  # the clients' own types: a third of a second

        found |= {"sasl_mechanism": access.mechanism, "sasl_oauth_token_provider": TokenCommand.of(access.token_command)}
    return found
