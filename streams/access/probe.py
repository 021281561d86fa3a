"""Why a broker does not let this client in, in words that name the setting: the clients themselves only say that they found no broker."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from zonepulse.streams.access.address import MECHANISMS, PLAIN, access_of, connection_to

ANSWER_S: Final = 10.0
_QUESTIONS: Final = tuple(
    struct.pack(">ihhih", 10 + len(more), key, 0, key, -1) + more for key, more in ((18, b""), (3, b"\0\0\0\0"))
)
"""ApiVersions, which every listener answers, and Metadata of no topic, which one answers that asks for no password."""


def refusal(broker: str, host: str, port: int) -> str | None:
    """None: one of the servers of `broker`, at `host` and `port`, answers what it is asked. Raises tls.BadCertificate."""
    if access_of(broker) == PLAIN:
        return None if _answers_plainly(host, port) else f"{host}:{port} closes plain connections: {_KIND}"
    from aiokafka.errors import KafkaError  # a third of a second, which most commands do without

    try:
        asyncio.run(_ask(broker, host, port))
    except (OSError, KafkaError, EOFError, TimeoutError) as error:
        return f"{host}:{port} {_why(broker, list(_causes(error)))}"
    return None


_KIND: Final = "ZONEPULSE_BROKER_SECURITY says what its listener speaks (PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL)"


def _answers_plainly(host: str, port: int) -> bool:
    """False only where the server ends the connection: one that is slow is the client's to wait for."""
    with suppress(TimeoutError), socket.create_connection((host, port), ANSWER_S) as connection:
        for question in _QUESTIONS:
            try:
                connection.sendall(question)
                (size,) = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
                connection.recv(max(0, min(size, 1 << 20)), socket.MSG_WAITALL)
            except (ConnectionError, struct.error):
                return False
    return True


async def _ask(broker: str, host: str, port: int) -> None:
    from aiokafka.conn import create_conn
    from aiokafka.protocol.metadata import MetadataRequest

    how = {name: value for name, value in connection_to(broker).items() if name != "bootstrap_servers"}
    connection = await asyncio.wait_for(create_conn(host, port, request_timeout_ms=round(1000 * ANSWER_S), **how), ANSWER_S)
    try:
        for _ in range(2):  # a broker that refuses a token answers once more as if nothing were wrong, and closes
            await connection.send(MetadataRequest([]))
    finally:
        with suppress(OSError):
            await connection.close()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _why(broker: str, causes: list[BaseException]) -> str:
    access, said = access_of(broker), f"({type(causes[0]).__name__}: {causes[0]})"[:300]
    for error in causes:
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"shows a certificate that this client does not believe ({error.verify_message}): set ZONEPULSE_BROKER_CA to the PEM"
                " file of the authority that signed it, and name the broker in ZONEPULSE_BROKER as its certificate does"
            )
        if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
            return f"does not speak TLS {said}: set ZONEPULSE_BROKER_SECURITY to what its listener speaks, or name another port"
        if type(error).__name__ == "UnsupportedSaslMechanismError":
            return f"does not take ZONEPULSE_BROKER_MECHANISM={access.mechanism}: there are {', '.join(MECHANISMS)}"
        if "Authentication" in type(error).__name__ and not access.has_token:
            return (
                f"refuses user {access.user!r}: check ZONEPULSE_BROKER_USER and the password of ZONEPULSE_BROKER_PASSWORD_FILE"
                " (or ZONEPULSE_BROKER_PASSWORD)"
            )
    if access.has_token:
        return f"refuses the token that ZONEPULSE_BROKER_TOKEN_COMMAND prints {said}: look at its issuer, audience and end"
    if access.is_encrypted and not access.has_password:
        which = "refuses a client without a certificate" if access.files.cert is None else "refuses this client's certificate"
        return f"{which} {said}: ZONEPULSE_BROKER_CERT and ZONEPULSE_BROKER_KEY name one that its authority signed and that has not expired"
    return f"does not answer a connection of the kind {access.protocol} {said}: {_KIND}"
