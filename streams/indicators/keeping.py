"""The store's second work: it keeps table `indicators` up to the rows that are written, and to what was given by hand.

It works in rounds, in a thread; what fails is tried again in the next one. Of the workers of the store the one does it that has the
ledger's results.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

import pyarrow as pa
from clickhouse_connect.driver.exceptions import ClickHouseError
from faust.types import TP
from kafka.errors import KafkaError

from zonepulse.schemas.messages.topics import INPUTS as TOPIC
from zonepulse.schemas.messages.topics import RESULTS
from zonepulse.schemas.registry.inputs import INPUTS, Input
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.sections import entities_of
from zonepulse.schemas.tables.ddl import INDICATORS
from zonepulse.streams import servers
from zonepulse.streams.clickhouse.sink import RowBatch, Sink, SinkBackpressure, SinkRejected, Source
from zonepulse.streams.control.input_topic import published_inputs, with_inputs
from zonepulse.streams.control.outfit import Outfit
from zonepulse.streams.control.registry_topic import end_offset
from zonepulse.streams.indicators.kept import Made, due_again, made, news, rows_of
from zonepulse.streams.indicators.kept_hours import hour_rows, hours_again, hours_made
from zonepulse.streams.indicators.store import Ask, asker
from zonepulse.streams.screen import Stop

POLL_S: Final = 30.0
REST: Final = 20
"""So many times as long as a round took, the next one waits: the store is there for the ledger's rows first."""
log = logging.getLogger(__name__)


class Keeping:
    """The rounds of one worker."""

    def __init__(self, outfit: Outfit, sink: Sink, held: Callable[[], Collection[TP]]) -> None:
        """`held`: the partitions that this worker has."""
        self._outfit, self._sink, self._held, self._settings = outfit, sink, held, outfit.settings
        self._results = TP(RESULTS.full_name(self._settings.topic_prefix), 0)
        self._ends: tuple[int, int] | None = None
        """Of the registry and of the inputs, as of the last whole round."""
        self._rests_until_s = 0.0

    async def round(self) -> None:
        """Writes what is due, if it is this worker's turn."""
        begun_s = time.monotonic()
        if begun_s < self._rests_until_s or self._results not in self._held():
            return
        try:
            await self._round()
        except (ClickHouseError, KafkaError, Stop, SinkBackpressure, SinkRejected) as error:
            log.warning("the indicators wait for their next round: %s", error)
        now_s = time.monotonic()
        self._rests_until_s = now_s + REST * (now_s - begun_s)

    async def _round(self) -> None:
        ends = await asyncio.to_thread(self._read_ends)
        tables = self._tables(is_changed=ends != self._ends)
        while (table := await asyncio.to_thread(next, tables, None)) is not None:
            source = Source(INDICATORS.name, 0, *(table["revision"][0].as_py(), table["inputs"][0].as_py()))
            await self._sink.write(RowBatch(INDICATORS.name, table, source))
        self._ends = ends

    def _read_ends(self) -> tuple[int, int]:
        broker, inputs = self._settings.broker, TOPIC.full_name(self._settings.topic_prefix)
        return self._outfit.registry_end(), end_offset(broker, inputs)

    def _tables(self, *, is_changed: bool) -> Iterator[pa.Table]:
        """The rows of a round, in the order in which they are to be written; years come last, at once."""
        with servers.store_client(self._settings) as client:
            ask, zone = asker(client), self._outfit.zone.id
            before = made(zone, ask)
            hours, hours_now = hours_again(hours_made(zone, ask), zone, ask)
            has_days = is_changed or news(before, zone, ask)
            if not hours and not has_days:
                return
            versions = self._outfit.load_versions()
            given = published_inputs(self._settings.broker, self._settings.topic_prefix)
            registry = with_inputs(versions[max(versions)], given)
            if hours:
                yield from hour_rows(registry, hours, hours_now._replace(version=registry.version, inputs=len(given)), ask)
            if has_days:
                yield from self._of_days(before, versions, registry, given, ask)

    def _of_days(
        self, before: Made, versions: Mapping[int, Registry], registry: Registry, given: Sequence[Input], ask: Ask
    ) -> Iterator[pa.Table]:
        counted = versions.get(before.version)
        inputs_before = entities_of(with_inputs(counted, given[: before.inputs]), INPUTS) if counted else ()
        periods, until_ms, now = due_again(before, registry, given, inputs_before, ask)
        years = []
        for period in periods:
            table = rows_of(registry, period, until_ms, now, ask)
            if period.name == "year":
                years.append(table)
            else:
                yield table
        if years:
            yield pa.concat_tables(years)
