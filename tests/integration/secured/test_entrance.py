"""Who gets in at a secured broker: the right certificate, the right password, and nobody else."""

import base64
import json
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient
from secured_zone import Zone

from zonepulse.streams.access.address import Access, Address, connection_to
from zonepulse.streams.access.tls import Files
from zonepulse.streams.embedded.kafka.authority import Authority, Issued
from zonepulse.streams.screen import Stop
from zonepulse.streams.servers import require_broker
from zonepulse.streams.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


def topics(address: Address) -> set[str]:
    with closing(KafkaAdminClient(**connection_to(address), bootstrap_timeout_ms=10_000)) as admin:
        return set(admin.list_topics())


def with_certificate(zone: Zone, folder: Path, own: Issued, ca: bytes | None = None) -> Address:
    """An address for who shows `own`, and believes in `ca`, or in the zone's authority."""
    for name, content in (("own.key", own.key), ("own.pem", own.cert), ("ca.pem", ca or zone.security.ca.read_bytes())):
        (folder / name).write_bytes(content)
    files = Files(folder / "ca.pem", folder / "own.pem", folder / "own.key")
    return Address(f"127.0.0.1:{zone.security.certificates_port}", Access("SSL", files=files))


def refused(address: Address) -> str:
    with pytest.raises(Stop) as stopped:
        require_broker(Settings(broker=address))
    return str(stopped.value)


def test_a_certificate_of_the_authority_is_a_user_with_the_rights_of_its_name(zone: Zone, tmp_path: Path) -> None:
    own = Authority.in_folder(zone.security.folder).issue("archive")
    assert topics(with_certificate(zone, tmp_path, own)) == topics(zone.security.address("archive"))
    stranger = Authority.in_folder(zone.security.folder).issue("stranger")
    assert topics(with_certificate(zone, tmp_path, stranger)) == set()


def test_a_certificate_of_another_authority_stays_out(zone: Zone, tmp_path: Path) -> None:
    told = refused(with_certificate(zone, tmp_path, Authority.made().issue("archive")))
    assert "ZONEPULSE_BROKER_CERT" in told


def test_an_expired_certificate_stays_out(zone: Zone, tmp_path: Path) -> None:
    expired = Authority.in_folder(zone.security.folder).issue("archive", timedelta(days=-1))
    assert "ZONEPULSE_BROKER_CERT" in refused(with_certificate(zone, tmp_path, expired))


def test_a_broker_of_another_authority_is_told_no_password(zone: Zone, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(Authority.made().cert)
    access = Access("SASL_SSL", user="store", password="x", files=Files(tmp_path / "ca.pem"))
    told = refused(Address(zone.security.address("store"), access))
    assert "ZONEPULSE_BROKER_CA" in told


@pytest.mark.parametrize("user", ["store", "nobody"])
def test_a_wrong_password_or_user_stays_out(zone: Zone, user: str) -> None:
    access = Access("SASL_SSL", user=user, password="wrong", files=Files(zone.security.ca))
    told = refused(Address(zone.security.address("store"), access))
    assert f"user '{user}'" in told and "ZONEPULSE_BROKER_PASSWORD" in told and "wrong" not in told


def with_token(zone: Zone, file: Path, user: str, lasts_s: float) -> Address:
    """An address for who shows a token of `user`, which a command prints."""
    now = time.time()
    parts = [{"alg": "none"}, {"sub": user, "iat": now + lasts_s - 600, "exp": now + lasts_s}]
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    file.write_text(".".join([*coded, ""]))
    access = Access("SASL_SSL", "OAUTHBEARER", files=Files(zone.security.ca), token_command=f"cat {file}")
    return Address(str(zone.security.address("archive")), access)


def test_a_token_is_a_user_with_the_rights_of_its_name(zone: Zone, tmp_path: Path) -> None:
    address = with_token(zone, tmp_path / "token", "archive", 300)
    assert require_broker(Settings(broker=address)) == address, "aiokafka gets in"
    assert topics(address) == topics(zone.security.address("archive")), "kafka-python does"


def test_a_token_that_has_ended_stays_out(zone: Zone, tmp_path: Path) -> None:
    assert "ZONEPULSE_BROKER_TOKEN_COMMAND" in refused(with_token(zone, tmp_path / "token", "archive", -300))


def test_a_plain_connection_stays_out_and_is_told_why(zone: Zone) -> None:
    assert "ZONEPULSE_BROKER_SECURITY" in refused(Address(str(zone.security.address("store"))))


def test_nothing_secret_is_in_an_argument_or_a_log(zone: Zone) -> None:
    import psutil

    secrets = {file.read_text() for file in (zone.security.folder / "passwords").iterdir()}
    processes = psutil.Process().children(recursive=True)
    said = " ".join(" ".join(process.cmdline()) for process in processes)
    said += "".join(zone.logs().values()) + (zone.stack.folder / "kafka" / "broker.log").read_text("utf-8", "replace")
    assert len(secrets) >= 11 and not [secret for secret in secrets if secret in said]
    assert all(
        file.stat().st_mode & 0o077 == 0 for file in zone.security.folder.rglob("*") if file.is_file() and file.name != "ca.pem"
    )


def test_it_listens_on_loopback_only(zone: Zone) -> None:
    import psutil

    listening = {c.laddr.ip for c in psutil.Process(zone.stack.broker.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}
