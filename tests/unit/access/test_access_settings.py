"""How to get in at the broker, as it is read from the environment."""

from pathlib import Path

import pytest

from zonepulse.streams.access.address import Address, access_of, connection_to
from zonepulse.streams.kafka.app import credentials
from zonepulse.streams.settings import BadSetting, Settings


def settings(**environ: str) -> Settings:
    return Settings.from_env({f"ZONEPULSE_BROKER_{name}": value for name, value in environ.items()})


def test_without_a_word_the_connection_is_plain() -> None:
    broker = settings().broker
    assert connection_to(broker) == {"bootstrap_servers": ["127.0.0.1:9092"]} == connection_to("127.0.0.1:9092")
    assert credentials(broker) is None


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
def test_a_user_and_password(mechanism: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("geheim\n")
    found = settings(SECURITY="sasl_plaintext", MECHANISM=mechanism, USER="store", PASSWORD_FILE=str(tmp_path / "password"))
    assert connection_to(found.broker) == {
        "bootstrap_servers": ["127.0.0.1:9092"], "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": mechanism,
        "sasl_plain_username": "store", "sasl_plain_password": "geheim",
    }  # fmt: skip
    faust = credentials(found.broker)
    assert faust is not None and faust.protocol.value == "SASL_PLAINTEXT"
    assert "geheim" not in f"{found!r} {found.broker!r} {access_of(found.broker)!r} {faust!r}"


def test_an_address_is_its_text() -> None:
    found = settings(SECURITY="SASL_PLAINTEXT", USER="store", PASSWORD="x").broker
    assert found == "127.0.0.1:9092" and f"at {found}" == "at 127.0.0.1:9092"
    assert isinstance(found, Address)
    assert access_of(found.replace("9092", "1")).protocol == "PLAINTEXT"


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"SECURITY": "TLS"}, "ZONEPULSE_BROKER_SECURITY is 'TLS', expected one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ({"MECHANISM": "GSSAPI"}, "ZONEPULSE_BROKER_MECHANISM is 'GSSAPI', expected one of SCRAM-SHA-512"),
        ({"SECURITY": "SASL_SSL", "PASSWORD": "x"}, "SASL_SSL, and ZONEPULSE_BROKER_USER is not set: name the user"),
        ({"SECURITY": "SASL_SSL", "USER": "x"}, "ZONEPULSE_BROKER_PASSWORD is not set: set it, or better ZONEPULSE_BROKER_PASSWORD_FILE"),
        ({"PASSWORD": "x", "USER": "y"}, "BROKER_SECURITY is PLAINTEXT, which does not use it: set that to SASL_PLAINTEXT or SASL_SSL"),
        ({"PASSWORD": "x", "CA": "y"}, "ZONEPULSE_BROKER_CA is set, .* set that to SASL_SSL$"),
        ({"CA": "y"}, "ZONEPULSE_BROKER_CA is set, .* set that to SSL or SASL_SSL$"),
        ({"SECURITY": "SSL", "CERT": "y"}, "ZONEPULSE_BROKER_CERT is set without ZONEPULSE_BROKER_KEY"),
        ({"SECURITY": "SASL_SSL", "MECHANISM": "OAUTHBEARER"}, "OAUTHBEARER, and ZONEPULSE_BROKER_TOKEN_COMMAND is not set: name a"),
        ({"SECURITY": "SASL_SSL", "MECHANISM": "OAUTHBEARER", "USER": "x", "TOKEN_COMMAND": "y"}, "BROKER_USER is set, and .*OAUTHBEARER"),
        ({"TOKEN_COMMAND": "y"}, "BROKER_TOKEN_COMMAND is set, .* set that to SASL_PLAINTEXT or SASL_SSL$"),
        ({"SECURITY": "SASL_SSL", "USER": "x", "PASSWORD_FILE": "/none"}, "BROKER_PASSWORD_FILE names '/none', which cannot be read"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_remedy(environ: dict[str, str], told: str) -> None:
    with pytest.raises(BadSetting, match=told):
        settings(**environ)
