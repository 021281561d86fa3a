"""The same log in another shape: over another number of partitions, or in another order within lateness."""

import json
from typing import Any

from hypothesis import strategies as st
from log_strategies import Case, Unnumbered, numbered
from zone_strategies import Draw

from zonepulse.oracle.metering.clock import period_of
from zonepulse.oracle.metering.decode import Record
from zonepulse.oracle.zone.registry import Registry
from zonepulse.oracle.zone.zone_file import read_registry
from zonepulse.schemas.messages.partitioner import partition_of


def dealt(case: Case, partitions: int) -> list[Record]:
    """The same log over another number of partitions: every reading where its key sends it, heartbeats first in each."""
    first = case.records[0].timestamp_ms
    heartbeats: list[Unnumbered] = [(p, first, None, b"[]", ()) for p in range(partitions)]
    rest = case.records[case.partitions :]
    moved = [
        (0 if r.key is None else partition_of(r.key.decode(), partitions), r.timestamp_ms, r.key, r.value, r.headers) for r in rest
    ]
    return numbered(heartbeats + [(p, t, k, v or b"", h) for p, t, k, v, h in moved])


@st.composite
def reordered(draw: Draw, case: Case) -> list[Record]:
    """The same readings in other places of the log: no reading becomes, or ceases to be, late or future, equal keys keep their order."""
    registry = read_registry(case.text, "id\n")
    policy = registry.policy
    records = list(case.records)
    sent = [i for i, r in enumerate(records) if r.key is not None]
    for a, b in draw(st.lists(st.tuples(*[st.integers(0, max(0, len(sent) - 1))] * 2), max_size=20)) if sent else ():
        low, high = sorted((sent[a], sent[b]))
        one, other = records[low], records[high]
        crossed = [json.loads(records[i].value or b"") for i in sent if low <= i <= high]
        stamps = {at for r in (one, other) for *_, at in _keys(registry, json.loads(r.value or b""))}
        lags = [there.timestamp_ms - at for at in stamps for there in (one, other)]
        fits = all(-policy.future_ms <= lag <= policy.lateness_ms for lag in lags)
        if fits and one.partition == other.partition and not _clash(registry, crossed):
            records[low] = Record(one.partition, one.offset, one.timestamp_ms, other.key, other.value)
            records[high] = Record(other.partition, other.offset, other.timestamp_ms, one.key, one.value)
    return records


def _keys(registry: Registry, fields: dict[str, Any]) -> set[tuple[str, str, int]]:
    """What may be the key of a reading: its time, and the end of its period in any version."""
    name, ts = (fields["meter"], fields["register"]), fields["ts"]
    periods = [facts for facts in registry.channels[name] if facts.kind == "interval"]
    return {(*name, ts), *((*name, period_of(registry.policy.timezone, facts, ts)[2]) for facts in periods)}


def _clash(registry: Registry, crossed: list[dict[str, Any]]) -> bool:
    """Whether the first or last of these readings may share a key with another that it would pass."""
    ends = (_keys(registry, crossed[0]), _keys(registry, crossed[-1]))
    return any(_keys(registry, c) & end for end, others in ((ends[0], crossed[1:]), (ends[1], crossed[:-1])) for c in others)
