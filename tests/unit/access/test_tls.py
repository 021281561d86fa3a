"""Certificates in files, as a client of TLS uses them."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from zonepulse.streams.access.address import connection_to
from zonepulse.streams.access.tls import BadCertificate, Files, RenewedContext
from zonepulse.streams.embedded.kafka.authority import Authority, Issued
from zonepulse.streams.settings import Settings


class Pair:
    """A client of `files` and a server with a certificate of `authority`, without sockets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.files = Files(folder / "ca.pem", folder / "own.pem", folder / "own.key")

    def write(self, authority: Authority, own: Issued) -> None:
        for name, content in (("ca.pem", authority.cert), ("own.pem", own.cert), ("own.key", own.key)):
            part = self.folder / f"{name}.part"
            part.write_bytes(content)
            part.replace(self.folder / name)

    def serve(self, authority: Authority, valid: timedelta = timedelta(days=1)) -> None:
        issued = authority.issue("broker", valid)
        file = self.folder / "server.pem"
        file.write_bytes(issued.key + issued.cert)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(file)
        self.server.load_verify_locations(cadata=authority.cert.decode())
        self.server.verify_mode = ssl.CERT_REQUIRED

    def connect(self, client: ssl.SSLContext, host: str = "127.0.0.1") -> str:
        """The client's name as the server sees it."""
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends = [
            client.wrap_bio(to_client, to_server, server_hostname=host),
            self.server.wrap_bio(to_server, to_client, server_side=True),
        ]
        for _ in range(10):
            for end in ends:
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        seen = ends[1].getpeercert() or {}
        return str(dict(part[0] for part in seen["subject"])["commonName"])


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    authority, made = Authority.made(), Pair(tmp_path)
    made.write(authority, authority.issue("store"))
    made.serve(authority)
    return made


def test_both_sides_are_known(pair: Pair) -> None:
    assert pair.connect(RenewedContext(pair.files)) == "store"


def test_a_new_authority_and_certificate_count_from_the_next_connection_on(pair: Pair) -> None:
    client, another = RenewedContext(pair.files), Authority.made()
    assert pair.connect(client) == "store"
    pair.serve(another)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"unable to get local issuer|self-signed"):
        pair.connect(client)
    pair.write(another, another.issue("store-2"))
    assert pair.connect(client) == "store-2"


def test_files_that_are_half_replaced_leave_the_last_good_ones_in_use(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    client = RenewedContext(pair.files)
    (pair.folder / "own.key").write_bytes(Authority.made().issue("other").key)
    assert pair.connect(client) == "store"
    assert "certificates are as they were: ZONEPULSE_BROKER_KEY names" in caplog.text


@pytest.mark.parametrize(
    ("valid", "host", "why"),
    [
        (timedelta(days=-1), "127.0.0.1", "certificate has expired"),
        (timedelta(days=1), "kafka.example", "Hostname mismatch"),
    ],
)
def test_a_server_that_is_not_what_it_says_is_refused(tmp_path: Path, valid: timedelta, host: str, why: str) -> None:
    authority, pair = Authority.made(), Pair(tmp_path)
    pair.write(authority, authority.issue("store"))
    pair.serve(authority, valid)
    with pytest.raises(ssl.SSLCertVerificationError, match=why):
        pair.connect(RenewedContext(pair.files), host)


@pytest.mark.parametrize(
    ("name", "setting", "content"),
    [
        ("ca.pem", "CA", None), ("ca.pem", "CA", b"no certificate"), ("own.pem", "CERT", None), ("own.pem", "KEY", b"nothing"),
        ("own.key", "KEY", None), ("own.key", "KEY", b"nothing"), ("own.key", "KEY", Authority.made().issue("other").key),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named_with_its_setting(pair: Pair, name: str, setting: str, content: bytes | None) -> None:
    file = pair.folder / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(BadCertificate, match=f"ZONEPULSE_BROKER_{setting} names .*: expected "):
        pair.files.context()


def test_an_encrypted_key_is_opened_with_its_password_and_asks_nobody(pair: Pair, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key((tmp_path / "own.key").read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"geheim")
    (tmp_path / "own.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret))
    environ = {"SECURITY": "SSL", "CA": "ca.pem", "CERT": "own.pem", "KEY": "own.key"}
    environ = {f"ZONEPULSE_BROKER_{k}": v if k == "SECURITY" else str(tmp_path / v) for k, v in environ.items()}
    with pytest.raises(BadCertificate, match="KEY_PASSWORD_FILE"):
        connection_to(Settings.from_env(environ).broker)
    found = Settings.from_env(environ | {"ZONEPULSE_BROKER_KEY_PASSWORD": "geheim"})
    assert pair.connect(connection_to(found.broker)["ssl_context"]) == "store"
