"""Every client of Kafka comes in by the settings: none is made with an address alone."""

from pathlib import Path

from aiokafka import conn

from zonepulse.streams.access.renewed_connections import RenewedConnection

STREAMS = Path(__file__).parents[2] / "streams"


def test_no_client_is_made_with_an_address_alone() -> None:
    sources = [path for path in STREAMS.rglob("*.py") if path != STREAMS / "access" / "address.py"]
    assert [str(path) for path in sources if "bootstrap_servers=" in path.read_text("utf-8")] == []


def test_aiokafka_has_what_renewed_connections_touch() -> None:
    base = RenewedConnection.__bases__[0]
    assert {"send", "connected", "close"} <= vars(base).keys() and "AIOKafkaConnection(" in Path(conn.__file__).read_text("utf-8")
    assert "self._requests" in Path(conn.__file__).read_text("utf-8") and conn.CloseReason.IDLE_DROP
