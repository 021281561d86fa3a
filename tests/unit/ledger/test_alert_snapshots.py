"""What fires stands in a chunk of the ledger's snapshot, which may be large, not in its facts, which one record holds."""

import json

from zones import zone

from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.detection.rules import Alert
from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.processors.ledger.snapshot import freeze_ledger, restore_ledger
from zonepulse.schemas.messages.commands import Command

FIRING = 5_000
RULE = "rules:\n  - {id: week, on: register, when: {indicator: quantity, change: percent, against: 7d, above: 20}}\n"


def test_thousands_of_open_alerts_are_a_chunk_that_is_written_when_it_changes() -> None:
    channels = compile_registry(zone(more=RULE), 1)
    ledger = Ledger(channels)
    first = freeze_ledger(ledger, 0)
    empty = len(json.dumps(first.facts))
    rows = [
        Alert("z", "silent_channel", {"meter": f"M-{i}", "register": "1.8.0"}, "warning", "raised", 0, 1, {}, meter=f"M-{i}").row()
        for i in range(FIRING)
    ]
    ledger.offer_alerts(0, rows)
    ledger.through[0] = 1
    assert len(ledger.advance().alerts) == FIRING
    frozen = freeze_ledger(ledger, 1)
    chunks = first.chunks | frozen.chunks
    assert len(json.dumps(frozen.facts)) < empty + 1_000
    again = restore_ledger({channels.registry.version: channels}, frozen.facts, [chunks[n] for n in range(frozen.count)])
    assert again.life.held() == ledger.life.held()
    assert 1 not in freeze_ledger(again, 1).chunks
    row = rows[0]
    again.life.tell(0, 2 * 60_000, Command("acknowledge", f"{row['fingerprint']}/{row['starts_at']}", "me", "why"))
    assert 1 in freeze_ledger(again, 1).chunks
