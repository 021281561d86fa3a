"""Snapshots of the ledger: its sums in chunks of windows, its waiting rows, and the rest as facts. The other half of ledger.py.

Chunk 0 holds the rows that wait for other partitions, chunk 1 what rules and alerts have come to (as JSON: it grows with what fires, which
facts must not), chunk k + 2 the page that cold_sums.py has in chunk k.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.flow import ROW, new_rows
from zonepulse.processors.ledger.ledger import Ledger, NoFactor
from zonepulse.processors.metering.snapshot import Arrays, BadSnapshot, Frozen, check_layout, check_partitions, names_checksum


def freeze_ledger(ledger: Ledger, next_offset: int, *, is_whole: bool = False) -> Frozen:
    """The ledger now; its changed chunks are copied and count as unchanged from here on. With `is_whole` all are copied, for somebody else
    than who keeps those that change."""
    pages = ledger.windows.pages
    if is_whole:
        every = {0: _waiting(ledger), 1: _alerts(ledger)} | {number + 2: pages.chunk(number) for number in range(len(pages.chunks))}
        return Frozen(_facts(ledger), every, len(every), next_offset)
    chunks: dict[int, Arrays] = {0: _waiting(ledger)} if ledger.is_waiting_touched else {}
    alerts = _alerts(ledger)
    if (checksum := zlib.crc32(alerts["json"].tobytes())) != ledger.alerts_frozen:
        chunks[1], ledger.alerts_frozen = alerts, checksum
    chunks |= {number + 2: pages.chunk(number) for number in sorted(pages.touched)}
    pages.touched.clear()
    ledger.is_waiting_touched = False
    return Frozen(_facts(ledger), chunks, 2 + len(pages.chunks), next_offset)


def _alerts(ledger: Ledger) -> Arrays:
    found = {
        "watches": ledger.watches.held(), "inhibition": ledger.inhibition.held(), "life": ledger.life.held(),
        "budgets": ledger.budgets.held(), "compared": {one.rule: one.held() for one in ledger.compared},
    }  # fmt: skip
    return {"json": np.frombuffer(msgspec.json.encode(found), np.uint8)}


def _waiting(ledger: Ledger) -> Arrays:
    rows = [r for waiting in ledger.waiting for r in waiting]
    counts = [sum(len(r) for r in waiting) for waiting in ledger.waiting]
    return {"rows": np.concatenate([np.empty(0, ROW), *rows]), "counts": np.array(counts, np.int64)}


def _facts(ledger: Ledger) -> dict[str, Any]:
    channels = ledger.channels
    return {
        "partitions": channels.partitions,
        "registry": channels.registry.version,
        "names": _checksum(channels),
        "versions": sorted(ledger.versions),
        "accumulators": len(ledger.plan.accumulators),
        "series": len(ledger.plan.series),
        "windows": len(ledger.windows.pages),
        "pages": list(ledger.windows.pages.chunks),
        "floor": ledger.floor,
        "old_rows": [ledger.old_rows.first, ledger.old_rows.last],
        "applied": ledger.applied,
        "through": ledger.through.tolist(),
        "announced": [[version, sorted(ticks.items())] for version, ticks in sorted(ledger.announced.items())],
        "no_factor": [[list(key), state.starts_at] for key, state in sorted(ledger.no_factor.items())],
        "open_from": ledger.windows.open_from,
        "bases": ledger.held(),
        "candidates": [list(candidate) for candidate in ledger.candidates],
    }


def _checksum(channels: Channels) -> int:
    return names_checksum(channels, np.arange(len(channels.names)))


def restore_ledger(
    versions: Mapping[int, Channels],
    facts: Mapping[str, Any],
    chunks: Sequence[Arrays],
    progress: Callable[[], object] = lambda: None,
) -> Ledger:
    """The ledger that was frozen; `versions` holds the compiled registries of `facts["versions"]`; `progress` is called after each
    piece of work. Raises BadSnapshot."""
    ledger = Ledger(versions[facts["registry"]])
    ledger.progress = progress
    progress()
    _check(ledger, facts)
    ledger.versions = {number: versions[number] for number in facts["versions"]}
    ledger.applied, ledger.through[:] = facts["applied"], facts["through"]
    ledger.announced = {version: {p: tick for p, tick in ticks} for version, ticks in facts["announced"]}
    ledger.no_factor = {tuple(key): NoFactor(start) for key, start in facts["no_factor"]}
    ledger.floor = facts["floor"]
    ledger.old_rows.first, ledger.old_rows.last = facts["old_rows"]
    ledger.resume(facts["bases"])
    ledger.candidates = [(tick, partition, row) for tick, partition, row in facts["candidates"]]
    _restore_waiting(ledger, chunks[0])
    _restore_alerts(ledger, chunks[1])
    _restore_sums(ledger, facts, chunks[2:])
    return ledger


def _check(ledger: Ledger, facts: Mapping[str, Any]) -> None:
    check_partitions(facts["partitions"], ledger.channels.partitions)
    expected = (_checksum(ledger.channels), len(ledger.plan.accumulators), len(ledger.plan.series))
    if (facts["names"], facts["accumulators"], facts["series"]) != expected:
        raise BadSnapshot(
            f"the ledger's snapshot does not fit registry version {facts['registry']} as it is on the registry topic now:"
            " that version was changed after it was published; use another topic prefix"
        )


def _restore_waiting(ledger: Ledger, chunk: Arrays) -> None:
    check_layout("rows", chunk["rows"], ROW)
    edges = np.cumsum(chunk["counts"])
    for partition, (stop, n) in enumerate(zip(edges, chunk["counts"], strict=True)):
        if n:
            rows = new_rows(ROW, int(n))
            rows[:] = chunk["rows"][stop - n : stop]
            ledger.waiting[partition] = [rows]


def _restore_alerts(ledger: Ledger, chunk: Arrays) -> None:
    found = msgspec.json.decode(chunk["json"].tobytes())
    ledger.watches.resume(found["watches"])
    ledger.inhibition.resume(found["inhibition"])
    ledger.life.resume(found["life"])
    ledger.budgets.resume(found["budgets"])
    for one in ledger.compared:
        one.resume(found["compared"][one.rule])
    ledger.alerts_frozen = zlib.crc32(chunk["json"].tobytes())


def _restore_sums(ledger: Ledger, facts: Mapping[str, Any], chunks: Sequence[Arrays]) -> None:
    ledger.windows.restore(chunks, facts["pages"], facts["open_from"], ledger.progress)
    if len(ledger.windows.pages) != facts["windows"]:
        raise BadSnapshot(f"the ledger's snapshot is incomplete: {len(ledger.windows.pages)} of {facts['windows']} windows")
