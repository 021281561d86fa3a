"""The same log in another shape: over another number of partitions, or in another order within lateness."""

import json
from collections import defaultdict
from typing import Any

from hypothesis import strategies as st
from log_strategies import Case, Unnumbered, numbered
from zone_strategies import Draw

from zonepulse.oracle.decode import Record
from zonepulse.schemas.partitioner import partition_of


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
    policy = case.zone["zone"]
    lateness, future = (int(policy[name].removesuffix("s")) * 1000 for name in ("lateness", "future"))
    records = list(case.records)
    sent = [i for i, r in enumerate(records) if r.key is not None]
    for a, b in draw(st.lists(st.tuples(*[st.integers(0, max(0, len(sent) - 1))] * 2), max_size=20)) if sent else ():
        low, high = sorted((sent[a], sent[b]))
        one, other = records[low], records[high]
        crossed = [json.loads(records[i].value or b"") for i in sent if low <= i <= high]
        lags = [there.timestamp_ms - json.loads(r.value or b"")["ts"] for r in (one, other) for there in (one, other)]
        fits = all(-future <= lag <= lateness for lag in lags)
        if fits and one.partition == other.partition and not _clash(case.zone, crossed):
            records[low] = Record(one.partition, one.offset, one.timestamp_ms, other.key, other.value)
            records[high] = Record(other.partition, other.offset, other.timestamp_ms, one.key, one.value)
    return records


def _clash(zone: dict[str, Any], crossed: list[dict[str, Any]]) -> bool:
    """Whether the first or last of these readings shares a key (of any version) with another that it would pass."""
    periods: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for version in zone["meters"]:
        for name, register in version["registers"].items():
            periods[version["id"], name].add(int(register["period"].removesuffix("s")) * 1000)

    def keys(fields: dict[str, Any]) -> set[tuple[str, str, int]]:
        name = (fields["meter"], fields["register"])
        return {(*name, fields["ts"])} | {(*name, (fields["ts"] + p // 2) // p * p) for p in periods[name]}

    ends = (keys(crossed[0]), keys(crossed[-1]))
    return any(keys(c) & end for end, others in ((ends[0], crossed[1:]), (ends[1], crossed[:-1])) for c in others)
