"""What the embedded broker has when it is secured: certificates, a user with a password for each role, and the roles' rules.

All of it lies in one folder that only this user may read. Nothing secret is ever an argument of a process.
"""

import secrets
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from kafka.admin import KafkaAdminClient, ScramMechanism, UserScramCredentialUpsertion

from zonepulse.streams.access import rules
from zonepulse.streams.access.address import Access, Address, connection_to
from zonepulse.streams.access.roles import roles
from zonepulse.streams.access.tls import Files
from zonepulse.streams.embedded.kafka.authority import Authority, expires
from zonepulse.streams.embedded.processes.private_files import private_folder, write_private

ADMIN: Final = "admin"
"""The broker itself, and who gives rights: by certificate."""
OPERATOR: Final = "operator"
MECHANISM: Final = "SCRAM-SHA-512"
RENEWED_BEFORE: Final = timedelta(days=365)


class Secured:
    """The security of one broker, kept in `folder`. A broker on a folder that has one is always started with it."""

    def __init__(self, folder: Path, port: int, certificates_port: int) -> None:
        self.folder, self.port, self.certificates_port = folder, port, certificates_port

    @property
    def _own(self) -> Path:
        """Key and certificate of the broker, and of who gives rights."""
        return self.folder / "broker.pem"

    @property
    def ca(self) -> Path:
        """The certificate of the authority, for clients."""
        return self.folder / "ca.pem"

    def settings(self, controller_port: int) -> str:
        """Lines for the broker's settings. Makes what is missing, and the broker's own certificate anew before it expires."""
        authority = Authority.in_folder(self.folder)
        if not self._own.exists() or expires(self._own.read_bytes()) < datetime.now(UTC) + RENEWED_BEFORE:
            own = authority.issue(ADMIN)
            write_private(self._own, own.key + own.cert)
        text = files("zonepulse.deploy").joinpath("kafka", "secure.properties").read_text("utf-8")
        return Template(text).substitute(
            port=self.port,
            certificates_port=self.certificates_port,
            controller_port=controller_port,
            keystore=self._own,
            truststore=self.ca,
            admin=ADMIN,
        )

    def admin(self) -> Address:
        """For who gives rights."""
        access = Access("SSL", files=Files(self.ca, self._own, self._own))
        return Address(f"127.0.0.1:{self.certificates_port}", access)

    def address(self, user: str) -> Address:
        """For a user with a password."""
        access = Access("SASL_SSL", MECHANISM, user, self.password_file(user).read_text(), Files(self.ca))
        return Address(f"127.0.0.1:{self.port}", access)

    def environment(self, user: str) -> dict[str, str]:
        """The same for a process."""
        return {
            "ZONEPULSE_BROKER": f"127.0.0.1:{self.port}",
            "ZONEPULSE_BROKER_SECURITY": "SASL_SSL",
            "ZONEPULSE_BROKER_MECHANISM": MECHANISM,
            "ZONEPULSE_BROKER_CA": str(self.ca),
            "ZONEPULSE_BROKER_USER": user,
            "ZONEPULSE_BROKER_PASSWORD_FILE": str(self.password_file(user)),
        }

    def password_file(self, user: str) -> Path:
        """The file with a user's password, made if it is not there."""
        file = private_folder(self.folder / "passwords") / user
        if not file.exists():
            write_private(file, secrets.token_urlsafe(32).encode())
        return file

    def admit(self, prefix: str) -> None:
        """Makes the users and rules of a zone's roles. Raises NoRules, KafkaError."""
        known = roles(prefix)
        self.set_passwords(known)
        rules.apply(self.admin(), rules.acls(known.values(), "User:{role}"))

    def set_passwords(self, users: Iterable[str]) -> None:
        """Tells the broker the passwords of these users. Raises RuntimeError, KafkaError."""
        mechanism = ScramMechanism[MECHANISM.replace("-", "_")]
        wanted = [UserScramCredentialUpsertion(user, mechanism, self.password_file(user).read_text()) for user in users]
        with closing(KafkaAdminClient(**connection_to(self.admin()), bootstrap_timeout_ms=rules.ANSWER_MS)) as admin:
            refused = {user: why for user, why in admin.alter_user_scram_credentials(wanted).items() if why}
        if refused:
            raise RuntimeError(f"the embedded Kafka refuses passwords: {refused}")
