"""A certificate authority of one installation: made at its first start, it signs what its broker and clients show one another."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from zonepulse.streams.embedded.processes.private_files import private_folder, write_private

VALID: Final = timedelta(days=3_650)
_EARLIER: Final = timedelta(hours=1)
"""A certificate holds from a little before now on: clocks differ."""
_ADDRESSES: Final = ("127.0.0.1", "::1")
_PEM: Final = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class Issued:
    """A private key and its certificate, as PEM."""

    key: bytes
    cert: bytes


class Authority:
    """The key and certificate of an authority."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, cert: x509.Certificate) -> None:
        self._key, self._cert = key, cert

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """That of `folder`, made if it is not there: `ca.pem`, which clients are given, and `ca.key`, which nobody is."""
        private_folder(folder)
        key_file, cert_file = folder / "ca.key", folder / "ca.pem"
        if not cert_file.exists():
            made = cls.made()
            write_private(key_file, _key_pem(made._key))
            write_private(cert_file, made.cert)
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return cls(key, x509.load_pem_x509_certificate(cert_file.read_bytes()))

    @classmethod
    def made(cls) -> Self:
        """A new one."""
        key, name = ec.generate_private_key(ec.SECP256R1()), _name("zonepulse local authority")
        now = datetime.now(UTC)
        usage = x509.KeyUsage(
            False, False, False, False, False, True, True, False, False
        )  # signs certificates and lists of revoked ones
        builder = _builder(name, name, key, now - _EARLIER, now + VALID).add_extension(
            x509.BasicConstraints(True, 0), critical=True
        )
        return cls(key, builder.add_extension(usage, critical=True).sign(key, hashes.SHA256()))

    @property
    def cert(self) -> bytes:
        """What others check certificates with, as PEM."""
        return self._cert.public_bytes(_PEM)

    def issue(self, name: str, valid: timedelta = VALID) -> Issued:
        """A certificate for `name`, which may speak as a client and as a server on this machine; a negative `valid` has expired."""
        now = datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), *(x509.IPAddress(ip_address(text)) for text in _ADDRESSES)]
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        cert = (
            _builder(_name(name), self._cert.subject, key, now + min(valid, timedelta()) - _EARLIER, now + valid)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Issued(_key_pem(key), cert.public_bytes(_PEM))


def expires(pem: bytes) -> datetime:
    """When the certificate in `pem` stops holding."""
    return x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERTIFICATE") :]).not_valid_after_utc


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
