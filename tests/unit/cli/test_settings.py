from pathlib import Path

import pytest

from zonepulse.streams.settings import BadSetting, Settings


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_env({}) == Settings()


def test_every_setting_has_its_variable() -> None:
    read = Settings.from_env(
        {
            "ZONEPULSE_BROKER": "kafka-1:9092,kafka-2:9092",
            "ZONEPULSE_TOPIC_PREFIX": "tc.",
            "ZONEPULSE_CLICKHOUSE_HOST": "clickhouse",
            "ZONEPULSE_CLICKHOUSE_PORT": "18123",
            "ZONEPULSE_CLICKHOUSE_USER": "worker",
            "ZONEPULSE_CLICKHOUSE_PASSWORD": "secret",
            "ZONEPULSE_ZONE_FILE": "/etc/zone.yaml",
            "ZONEPULSE_PARTITIONS": "12",
            "ZONEPULSE_INSTANCE": "pod-7",
            "ZONEPULSE_SESSION_TIMEOUT_S": "10.5",
            "ZONEPULSE_DATA_DIR": "/var/lib/zonepulse",
            "ZONEPULSE_LOG_LEVEL": "debug",
            "ZONEPULSE_METRICS_PORT": "9100",
            "ZONEPULSE_SIMULATED": "on",
            "ZONEPULSE_RAW_BATCHES": "off",
            "ZONEPULSE_STATIC": "on",
            "ZONEPULSE_STALL_S": "90",
            "ZONEPULSE_WAITING_ROWS": "5000",
            "ZONEPULSE_REPLICATION": "3",
            "HOME": "/root",
        }
    )
    assert read == Settings(
        "kafka-1:9092,kafka-2:9092",
        "tc.",
        "clickhouse",
        18123,
        "worker",
        "secret",
        Path("/etc/zone.yaml"),
        12,
        "pod-7",
        10.5,
        Path("/var/lib/zonepulse"),
        "DEBUG",
        9100,
        is_simulated=True,
        raw_batches=False,
        is_static=True,
        stall_s=90.0,
        waiting_rows=5000,
        replication=3,
    )


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("PARTITIONS", "0", "whole number from 1"),
        ("PARTITIONS", "1000000000000", "whole number from 1 to 100000"),
        ("REPLICATION", "40000", "whole number from 1 to 32767"),
        ("CLICKHOUSE_PORT", "http", "port"),
        ("CLICKHOUSE_PORT", "0", "port"),
        ("CLICKHOUSE_PORT", "65536", "port"),
        ("METRICS_PORT", "-1", "port"),
        ("METRICS_PORT", "70000", "port"),
        ("STALL_S", "nan", "seconds"),
        ("STALL_S", "0", "seconds"),
        ("SESSION_TIMEOUT_S", "inf", "seconds"),
        ("SESSION_TIMEOUT_S", "-6", "seconds"),
        ("RAW_BATCHES", "maybe", "on or off"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_value_and_what_is_expected(name: str, text: str, expected: str) -> None:
    with pytest.raises(BadSetting, match=f"ZONEPULSE_{name} is '{text}', expected .*{expected}"):
        Settings.from_env({f"ZONEPULSE_{name}": text})


@pytest.mark.parametrize("name", ["CLICKHOUSE_PORT", "METRICS_PORT", "PARTITIONS", "STALL_S"])
def test_a_long_value_is_cut_in_what_is_said(name: str) -> None:
    with pytest.raises(BadSetting) as refused:
        Settings.from_env({f"ZONEPULSE_{name}": "9" * 10_000})
    assert len(str(refused.value)) < 250


def test_a_password_file_wins_and_the_password_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from file\n")
    settings = Settings.from_env(
        {"ZONEPULSE_CLICKHOUSE_PASSWORD_FILE": str(tmp_path / "password"), "ZONEPULSE_CLICKHOUSE_PASSWORD": "x"}
    )
    assert settings.clickhouse_password == "from file"
    assert "from file" not in repr(settings)
    with pytest.raises(BadSetting, match="PASSWORD_FILE names"):
        Settings.from_env({"ZONEPULSE_CLICKHOUSE_PASSWORD_FILE": str(tmp_path / "missing")})
