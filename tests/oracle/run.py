"""From a log to the final rows of every table.

Only one registry version is known here. A later one would take over in `_Log.take`, at the record whose header `registry` names it.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from zonepulse.oracle import inhibition, life_cycle
from zonepulse.oracle.alerts import Transition
from zonepulse.oracle.carbon.entries import entered
from zonepulse.oracle.carbon.factors import FactorTable
from zonepulse.oracle.grid import Grid
from zonepulse.oracle.impact import of_channel
from zonepulse.oracle.ledger import Event, Ledger
from zonepulse.oracle.metering.decode import Item, Record, decode, read_fields
from zonepulse.oracle.metering.intervals import Channel, Version
from zonepulse.oracle.metering.letters import MAX_KEY, Letters
from zonepulse.oracle.metering.readings import Gate, Reading, partition_of
from zonepulse.oracle.periods import periods
from zonepulse.oracle.zone.registry import Facts, Registry
from zonepulse.oracle.zone.zone_file import read_registry

Tables = dict[str, list[dict[str, Any]]]
Place = tuple[int, int]
"""Partition and offset of a record that a command says to step over."""
Command = tuple[int, dict[str, Any]]
"""Timestamp of its record, and the command: kind, target, who, why, until_ms."""
_ChannelKey = tuple[int, str, str]
"""Partition, meter, register."""


class _Log:
    """A log as far as it has been read: what was accepted, by channel and tick, and what was not."""

    def __init__(self, registry: Registry, partitions: int) -> None:
        self._registry = registry
        self._grid = Grid.of(registry.policy)
        self._gate = Gate(registry, partitions)
        self.ingest_ms: dict[int, int] = {}
        """Partition -> largest timestamp so far."""
        self.latest_ms: int | None = None
        """The latest key of an accepted reading."""
        self.channels: defaultdict[_ChannelKey, defaultdict[int, list[Reading]]] = defaultdict(lambda: defaultdict(list))
        self.dead_letters: list[dict[str, Any]] = []
        self._letters = Letters()

    def take(self, partition: int, offset: int, timestamp_ms: int, key: bytes, items: Iterable[Item], size: int) -> None:
        """One record of `size` bytes, in log order."""
        ingest_ms = max(timestamp_ms, self.ingest_ms.get(partition, timestamp_ms))
        self.ingest_ms[partition] = ingest_ms
        refused: list[tuple[Item, str]] = []
        for item in items:
            found = item.content if isinstance(item.content, str) else self._gate.judge(item.content, partition, ingest_ms)
            if isinstance(found, str):
                refused.append((item, found))
            else:
                channel = (partition, found.facts.meter, found.facts.register)
                self.channels[channel][self._grid.tick(ingest_ms)].append(found)
                self.latest_ms = found.ts_ms if self.latest_ms is None else max(self.latest_ms, found.ts_ms)

        for number, reason, value in self._letters.of(partition, key, self._grid.tick(ingest_ms), refused, size):
            self.dead_letters.append(
                {
                    "zone": self._registry.policy.zone,
                    "topic": "zp.readings",
                    "partition": partition,
                    "offset": offset,
                    "item": number,
                    "reason": reason,
                    "key": key[:MAX_KEY],
                    "value": value,
                    "received_at": timestamp_ms,
                }
            )

    def end(self, partitions: int, end_ms: int) -> int:
        """The closing heartbeats of a finished file; the final window."""
        latest = max([end_ms, *self.ingest_ms.values(), *([] if self.latest_ms is None else [self.latest_ms])])
        policy, window = self._registry.policy, self._grid.window(latest)
        closing_ms = self._grid.start_ms(window + 1) + policy.delay_ms + policy.tick_ms
        self.ingest_ms = dict.fromkeys(range(partitions), closing_ms)
        return window


class Part(NamedTuple):
    """What the channels of some partitions make: rows by key, the versions that the ledger hears of, alerts, dead letters."""

    intervals: dict[tuple[str, str, int], dict[str, Any]]
    events: list[Event]
    transitions: list[Transition]
    dead_letters: list[dict[str, Any]]
    expected: list[dict[str, Any]]
    ingest_ms: dict[int, int]
    """Partition -> largest timestamp."""
    final_window: int | None = None
    """Of a finished file."""


def run(
    zone_yaml: str,
    factors_csv: str,
    records: Iterable[Record],
    partitions: int,
    end_ms: int | None = None,
    skips: Container[Place] = (),
    commands: Iterable[Command] = (),
) -> Tables:
    """Table -> final rows (the highest revision of every key) of a log of records; times are epoch milliseconds.

    `zone_yaml` and `factors_csv` are texts. Records of one partition come in offset order; those of several may interleave.
    Without `end_ms` only the ticks that the log itself closes are closed. With it the log is a finished file: heartbeats close
    every partition behind the final window, which holds the largest of `end_ms`, ingest time and accepted reading; no later row
    exists. Of a record in `skips` nothing counts but its time: it is one dead letter, `poison`. `commands` are about alerts.
    """
    part = part_of(zone_yaml, factors_csv, records, partitions, end_ms, skips)
    return tables_of(zone_yaml, factors_csv, [part], partitions, commands)


def part_of(
    zone_yaml: str,
    factors_csv: str,
    records: Iterable[Record],
    partitions: int,
    end_ms: int | None = None,
    skips: Container[Place] = (),
) -> Part:
    """The same up to the ledger. Without `end_ms` partitions may be read one by one: a channel's readings are in one partition."""
    registry = read_registry(zone_yaml, factors_csv)
    log = _Log(registry, partitions)
    for record in records:
        items = _skipped(record) if (record.partition, record.offset) in skips else decode(record)
        log.take(record.partition, record.offset, record.timestamp_ms, record.key or b"", items, len(record.value or b""))
    return _part(registry, log, partitions, end_ms)


def _skipped(record: Record) -> Iterable[Item]:
    return [Item(-1, "poison", lambda: record.value or b"")]


def tables_of(zone_yaml: str, factors_csv: str, parts: Iterable[Part], partitions: int, commands: Iterable[Command] = ()) -> Tables:
    """The tables of all partitions together."""
    return _tables(read_registry(zone_yaml, factors_csv), [*parts], partitions, commands)


def run_columns(
    zone_yaml: str,
    factors_csv: str,
    rows: Iterable[Mapping[str, Any]],
    partitions: int,
    end_ms: int | None = None,
    skips: Container[Place] = (),
) -> Tables:
    """The same for rows of a file: meter, register, ts (epoch ms, text or datetime), value, unit, seq, quality, ingest_ms,
    partition, offset and item. Dead letters have an empty value and key. Rows at a place in `skips` are dead letters, `poison`.
    """
    registry = read_registry(zone_yaml, factors_csv)
    log = _Log(registry, partitions)
    for row in rows:
        is_skipped = (row["partition"], row["offset"]) in skips
        item = Item(row["item"], "poison" if is_skipped else read_fields(row), bytes)
        log.take(row["partition"], row["offset"], row["ingest_ms"], b"", [item], 0)
    return _tables(registry, [_part(registry, log, partitions, end_ms)], partitions)


def _is_in(partition: int, partitions: int, facts: Facts) -> bool:
    """Whether readings under these facts belong to the partition."""
    return partition_of(facts.key, partitions) == partition


def _part(registry: Registry, log: _Log, partitions: int, end_ms: int | None) -> Part:
    final_window = None if end_ms is None else log.end(partitions, end_ms)
    part = Part({}, [], [], log.dead_letters, [], log.ingest_ms, final_window)
    for (partition, meter, register), readings in sorted(log.channels.items()):
        channel = Channel(registry, meter, register, final_window, partial(_is_in, partition, partitions))
        channel.live(readings, log.ingest_ms[partition] // registry.policy.tick_ms)
        part.transitions.extend(channel.transitions)
        part.expected.extend(channel.bands)
        row_of = partial(_interval, registry, channel)
        for version in channel.versions:
            part.events.append(Event(version.tick, (meter, register), version.window, version.row))
            part.intervals[meter, register, version.window] = row_of(version)
    return part


def _tables(registry: Registry, parts: list[Part], partitions: int, commands: Iterable[Command] = ()) -> Tables:
    final_window = max((part.final_window for part in parts if part.final_window is not None), default=None)
    ledger = Ledger(registry, entered(registry, final_window))
    ingest_ms = {partition: at for part in parts for partition, at in part.ingest_ms.items()}
    applied = min(ingest_ms.values()) // registry.policy.tick_ms if len(ingest_ms) == partitions else -1
    ledger.live([event for part in parts for event in part.events], applied)
    said = [t for part in parts for t in part.transitions if t["revision"] <= applied]
    factors = FactorTable(registry)
    said = [of_channel(t, registry, factors) for t in said]
    let_by = inhibition.let_by([*said, *ledger.transitions], registry, applied)
    told, latest_ms = list[life_cycle.Told](), 0
    for timestamp_ms, command in commands:
        latest_ms = max(latest_ms, timestamp_ms)
        told.append((life_cycle.tick_of(latest_ms, registry.policy.tick_ms), command))
    transitions = life_cycle.said(let_by, told, applied, registry.policy.tick_ms, _places(registry))
    events = {(t["fingerprint"], t["starts_at"], t["revision"]): t for t in transitions}
    alerts = {(t["fingerprint"], t["starts_at"]): t for t in sorted(events.values(), key=lambda t: t["revision"])}
    intervals = {key: row for part in parts for key, row in part.intervals.items()}
    bands = [row for part in parts for row in part.expected]
    tables: dict[str, list[dict[str, Any]]] = {"intervals": [*intervals.values()], "expected": bands}
    tables |= {name: [*rows.values()] for name, rows in ledger.tables.items()}
    tables |= periods(tables["totals"], tables["intensity"], registry.policy, applied)
    tables |= {"alerts": [*alerts.values()], "alert_events": [*events.values()]}
    return tables | {"dead_letters": [letter for part in parts for letter in part.dead_letters]}


def _places(registry: Registry) -> dict[str, dict[str, str]]:
    """Site and gateway of each meter's last version."""
    last = sorted((facts for versions in registry.channels.values() for facts in versions), key=lambda facts: facts.valid_from_ms)
    return {facts.meter: {"site": facts.site, "gateway": registry.gateways[facts.meter]} for facts in last}


def _interval(registry: Registry, channel: Channel, version: Version) -> dict[str, Any]:
    facts, row = channel.facts(version.window), version.row
    assert facts is not None
    return {
        "zone": registry.policy.zone,
        "meter": facts.meter,
        "register": facts.register,
        "start": version.window * registry.policy.window_ms,
        "length_s": registry.policy.window_ms // 1000,
        "site": facts.site,
        "company": facts.company,
        "node": facts.node,
        "carrier": facts.carrier,
        "role": facts.role,
        "direction": facts.direction,
        "value_micro": row.value,
        "estimated_micro": row.estimated,
        "covered_ms": row.covered_ms,
        "quality": row.quality,
        "method": row.method,
        "revision": version.tick,
    }
