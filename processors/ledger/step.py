"""Blocks through a zone's ledger: what the live worker, `replay file` and replays of the topic do alike."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.flow import ROW, Rows, new_rows
from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.processors.ledger.rows import Results


@dataclass(frozen=True, slots=True)
class Offer:
    """What a stretch of a partition's records made, for the ledger."""

    partition: int
    """Negative: of none, alerts only."""
    channels: Channels | None = None
    """The registry version that the rows were made with; None: there are no rows, and no tick is closed."""
    rows: Rows = field(default_factory=lambda: new_rows(ROW, 0))
    """flow.ROW, sorted by revision."""
    through: int | None = None
    """The last tick that the partition has closed; None: more rows of the same fetch follow."""
    alerts: list[dict[str, Any]] = field(default_factory=list)
    """Proposed rows of table `alerts`."""
    switch: Channels | None = None
    """The registry version that the partition uses behind it, if that is known already."""


def book(ledger: Ledger, offers: Iterable[Offer]) -> tuple[Results, int]:
    """Takes the offers, one after the other as they are asked for, and applies every tick that all partitions have closed. Offers of a
    partition come in order, those of different partitions in any. What that made, and how many rows were of applied ticks and vanished."""
    behind = sum(_take(ledger, offer) for offer in offers)
    return ledger.advance(), behind


def _take(ledger: Ledger, offer: Offer) -> int:
    if offer.alerts:
        ledger.offer_alerts(offer.partition, offer.alerts)
    behind = 0
    if offer.channels is not None:
        ledger.announce(offer.partition, offer.channels)
        behind = ledger.offer(offer.partition, offer.rows, offer.through, offer.channels)
    if offer.switch is not None:
        ledger.announce(offer.partition, offer.switch)
    return behind
