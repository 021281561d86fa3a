"""A promoted run stands as the live one in every view at once: readers never see a mixture, a window twice or a gap."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec
import pytest
from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client

from zonepulse.processors.ledger.horizon import reach_ms, whole_before_ms
from zonepulse.schemas.registry.model import ALWAYS, Registry
from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.embedded.clickhouse.process import READER, WRITER, ClickHouseProcess
from zonepulse.streams.replay import runs
from zonepulse.streams.replay.checkpoint import State
from zonepulse.streams.replay.hand_over import Followed, LiveTasks, hand_over, hand_state_over
from zonepulse.streams.replay.plan import CannotReplay, Plan
from zonepulse.streams.replay.promote import active, decide, promote, require_reverted, revert
from zonepulse.streams.replay.runs import Run

pytestmark = pytest.mark.integration
WINDOW_MS, WINDOWS, ENTITIES = 900_000, 96 * 3, 40
START_MS = 1_771_977_600_000
FROM_MS, TO_MS = START_MS + 96 * WINDOW_MS, START_MS + 192 * WINDOW_MS
SETTLED_MS = TO_MS + 60 * 86_400_000
ZONE = "zone: {id: z, timezone: UTC, window: 15m, tick: 1m}\ncompanies: [{id: a}]\nsites: [{id: s, company: a}]\n"
FILL = """INSERT INTO {table} SELECT '{run}', 'z', {columns} FROM numbers({n})"""
TOTALS = (
    "'company', concat('c', toString(number % {e})), fromUnixTimestamp64Milli(toInt64({start} + intDiv(number, {e}) * {w})), 900,"
    " 'electricity', 2, 'location', 1000, {mg}, 0, 900000, 900000, 7"
)
INTENSITY_COLUMNS = "SELECT name FROM system.columns WHERE database = 'zonepulse' AND table = '{table}' ORDER BY position"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseProcess]:
    process = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"))
    process.start()
    yield process
    process.stop()


def connected(server: ClickHouseProcess, user: str = WRITER) -> Client:
    return get_client(
        host="127.0.0.1", port=server.port, username=user, password=server.password(user),
        database="zonepulse" if user == READER else "default", autogenerate_session_id=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def client(server: ClickHouseProcess) -> Iterator[Client]:
    """Three days of totals and emissions: every live row has 1 mg, every row of the run 1,000,001."""
    with connected(server) as made:
        migrations.apply(made)
        made.database = "zonepulse"
        for run, mg, first, n in (("live", 1, START_MS, WINDOWS), ("r", 1_000_001, FROM_MS, 96)):
            totals = TOTALS.format(e=ENTITIES, start=first, w=WINDOW_MS, mg=mg)
            made.command(FILL.format(table="zonepulse.totals", run=run, columns=totals, n=n * ENTITIES))
            emissions = (
                f"concat('c', toString(number % {ENTITIES})), 'm', 'r', fromUnixTimestamp64Milli(toInt64({first} + intDiv(number,"
                f" {ENTITIES}) * {WINDOW_MS})), 900, 2, 'location', 1000, {mg}, 0, 'f', 'CN', 7"
            )
            made.command(FILL.format(table="zonepulse.emissions", run=run, columns=emissions, n=n * ENTITIES))
        for name, time_of in OTHERS.items():
            names = [c.name for c in TABLES[name].columns if c.name in (time_of, WHO[name], TABLES[name].lasts, *NAMED)]
            for run, revision, first, n in (("live", 7, START_MS, WINDOWS), ("r", 8, FROM_MS, 96)):
                at = f"fromUnixTimestamp64Milli(toInt64({first} + number * {WINDOW_MS}))"
                said = {time_of: at, WHO[name]: str(revision), "topic": "'zp.readings'", "offset": "number", "length_s": "900"}
                values = ", ".join(str(said.get(column, "'x'")) for column in names)
                columns = ", ".join(f"`{column}`" for column in ("run", "zone", *names))
                made.command(f"INSERT INTO zonepulse.{name} ({columns}) SELECT '{run}', 'z', {values} FROM numbers({n})")
        yield made


def registry(text: str = ZONE) -> Registry:
    return parse_zone(text)


def done(client: Client, **changes: object) -> Run:
    plan = Plan("r", "z", FROM_MS, TO_MS, "zp.readings", ((0, 10),), made_at_ms=START_MS)
    run = Run("r", runs.DONE, plan, {}, START_MS, "")
    return replace(run, **changes)  # type: ignore[arg-type]


NAMED = "meter", "register", "node", "fingerprint", "topic", "offset"
OTHERS = {name: TABLES[name].time for name in FINAL_TABLES if name not in ("totals", "emissions")}
WHO = {name: "reason" if name == "dead_letters" else "revision" for name in OTHERS}
"""The column that says whether a row is live's (7) or the run's (8)."""
EVERY = "SELECT " + ", ".join(
    f"(SELECT (count(), uniqExact({time}), countIf({time} >= fromUnixTimestamp64Milli(toInt64({FROM_MS})) AND {time} <"
    f" fromUnixTimestamp64Milli(toInt64({TO_MS})) AND toString({WHO[name]}) = '8'), countIf(toString({WHO[name]}) = '7'))"
    f" FROM zonepulse.{name}_final WHERE run = 'live' AND zone = 'z')"
    for name, time in OTHERS.items()
)
EVERY_LIVE, EVERY_PROMOTED = (WINDOWS, WINDOWS, 0, WINDOWS), (WINDOWS, WINDOWS, 96, WINDOWS - 96)
ROUNDS = int(os.environ.get("ZONEPULSE_SOAK_PROMOTES", "4"))
"""Promotes and reverts; `make soak` does many."""
BOTH = """SELECT (SELECT (count(), sum(co2e_mg), uniqExact(start)) FROM zonepulse.totals_final WHERE run = 'live' AND zone = 'z'),
(SELECT (count(), sum(co2e_mg), uniqExact(start)) FROM zonepulse.emissions_final WHERE run = 'live' AND zone = 'z')"""
JOINED = """SELECT countIf(t.co2e_mg != e.co2e_mg), count() FROM zonepulse.totals_final t JOIN zonepulse.emissions_final e
ON t.run = e.run AND t.zone = e.zone AND t.entity = e.company AND t.start = e.start WHERE t.run = 'live' AND t.zone = 'z'"""
ALL = WINDOWS * ENTITIES
LIVE = (ALL, ALL, WINDOWS)
PROMOTED = (ALL, ALL + 96 * ENTITIES * 1_000_000, WINDOWS)


def promote_and_revert(
    client: Client, run: Run, rounds: int, readers: int, read: Callable[[], None], is_over: threading.Event
) -> None:
    """So many times while so many read, until `is_over`."""
    threads = [threading.Thread(target=read) for _ in range(readers)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(rounds):
            promote(client, run, registry(), SETTLED_MS, "a test")
            revert(client, run, "a test")
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def test_readers_see_the_live_rows_or_the_promoted_ones_and_nothing_between(server: ClickHouseProcess, client: Client) -> None:
    run, is_over, seen, wrong = done(client), threading.Event(), set[object](), list[object]()

    def read() -> None:
        with connected(server, READER) as reader:
            while not is_over.is_set():
                totals, emissions = reader.query(BOTH).result_rows[0]
                differing, joined = reader.query(JOINED).result_rows[0]
                if (every := set(reader.query(EVERY).result_rows[0])) not in ({EVERY_LIVE}, {EVERY_PROMOTED}):
                    wrong.append(every)
                if totals != emissions or totals not in (LIVE, PROMOTED) or differing or joined != ALL:
                    wrong.append((totals, emissions, differing, joined))
                seen.add(totals)

    promote_and_revert(client, run, ROUNDS, 10, read, is_over)
    assert wrong == []
    assert seen == {LIVE, PROMOTED}


def test_the_run_keeps_its_name_and_the_live_rows_come_back(client: Client) -> None:
    own = "SELECT count(), sum(co2e_mg) FROM totals_final WHERE run = 'r'"
    before = client.query(own).result_rows
    promote(client, done(client), registry(), SETTLED_MS, "a test")
    try:
        assert client.query(own).result_rows == before
        assert client.query(BOTH).result_rows[0][0] == PROMOTED
        assert runs.find(client, "r").state == "promoted"
    finally:
        revert(client, done(client), "a test")
    assert client.query(BOTH).result_rows[0][0] == LIVE
    assert runs.find(client, "r").state == "reverted"


def test_rows_of_a_run_that_were_deleted_can_be_written_again(client: Client) -> None:
    rows = client.query_arrow("SELECT * REPLACE ('again' AS run) FROM totals t WHERE t.run = 'r' ORDER BY start, entity LIMIT 100")
    assert len(rows) == 100
    for _ in range(2):
        runs.insert(client, "totals", rows)
        assert client.query("SELECT count() FROM totals WHERE run = 'again'").first_row[0] == 100
        runs.delete_rows(client, "again")


def test_a_promoted_run_is_neither_run_again_nor_discarded(client: Client) -> None:
    require_reverted(client, done(client))
    promote(client, done(client), registry(), SETTLED_MS, "")
    try:
        with pytest.raises(CannotReplay, match=r"is promoted.*replay revert r"):
            require_reverted(client, done(client))
    finally:
        revert(client, done(client), "")
    require_reverted(client, done(client))
    for table in FINAL_TABLES:
        client.query(f"SELECT * FROM {table}_final LIMIT 1")


STORAGE = """
    network:
      nodes: [n]
      sources: [{id: battery, kind: storage, node: n, meter: m}]
"""


def test_what_cannot_be_promoted_is_refused_with_what_would_help(client: Client) -> None:
    zone = registry()
    with pytest.raises(CannotReplay, match=r"a reading in time can still revise .* promote once it has passed"):
        promote(client, done(client), zone, TO_MS, "")
    plan = done(client).plan
    assert plan is not None
    approximate = Plan(**{f: getattr(plan, f) for f in plan.__struct_fields__} | {"caveats": ("the log begins late",)})
    with pytest.raises(CannotReplay, match=r"approximate .* the log begins late"):
        promote(client, done(client, plan=approximate), zone, SETTLED_MS, "")
    cut = msgspec.structs.replace(plan, to_ms=plan.to_ms - WINDOW_MS)
    with pytest.raises(CannotReplay, match="can still revise 2026-02-26T00:00:00Z to 2026-02-27T00:00:00Z; the log has come to"):
        promote(client, done(client, plan=cut), zone, cut.to_ms + reach_ms(zone.zone), "")
    with pytest.raises(CannotReplay, match="is planned"):
        promote(client, done(client, state=runs.PLANNED), zone, SETTLED_MS, "")
    with pytest.raises(CannotReplay, match="is not promoted"):
        revert(client, done(client), "")
    decide(client, plan, 1, "", plan.to_ms, is_open=True)
    try:
        other = Plan(**{f: getattr(plan, f) for f in plan.__struct_fields__} | {"run": "q"})
        with pytest.raises(CannotReplay, match="'r' is promoted with an open end"):
            promote(client, done(client, name="q", plan=other), zone, SETTLED_MS, "")
    finally:
        revert(client, done(client), "")


@pytest.mark.parametrize("own", [{"zone_yaml": ZONE}, {"factors_as_of": "2026-06-30"}, {"max_gap_ms": 3_600_000}])
def test_live_tasks_do_not_go_on_from_a_run_with_a_registry_of_its_own(client: Client, own: dict[str, object]) -> None:
    plan = done(client).plan
    assert plan is not None
    run = done(client, plan=msgspec.structs.replace(plan, **own), state=runs.FOLLOWING)

    def state() -> State:
        raise AssertionError("nothing is handed over")

    told = r"of its own, .* `zonepulse replay promote r --beside`, and let the run go on .*`zonepulse registry apply zone\.yaml`"
    with pytest.raises(CannotReplay, match=told):
        hand_state_over(client, run, registry().zone, state, LiveTasks("", "zp.", 1), "")
    assert active(client, "z") == []


def test_over_a_promoted_stretch_the_newer_one_stands_and_the_older_around_it_and_again_behind(client: Client) -> None:
    plan, day_ms = Plan("wide", "parts", 0, 30 * 86_400_000, "zp.readings", ((0, 10),)), 86_400_000
    inner = msgspec.structs.replace(plan, run="inner", from_ms=10 * day_ms, to_ms=20 * day_ms)
    parts = (
        "SELECT run, intDiv(toUnixTimestamp64Milli(from_at), 86400000), intDiv(toUnixTimestamp64Milli(to_at), 86400000)"
        " FROM promotions_final WHERE zone = 'parts' AND is_active = 1 ORDER BY from_at"
    )
    for one in (plan, inner):
        decide(client, one, 1, "", one.to_ms)
    assert client.query(parts).result_rows == [("wide", 0, 10), ("inner", 10, 20), ("wide", 20, 30)]
    assert [(one.run, one.from_ms, one.to_ms) for one in active(client, "parts")] == [
        ("inner", inner.from_ms, inner.to_ms), ("wide", plan.from_ms, plan.to_ms),
    ]  # fmt: skip
    decide(client, plan, 1, "", plan.to_ms)
    assert client.query(parts).result_rows == [("wide", 0, 10), ("wide", 10, 20), ("wide", 20, 30)]
    decide(client, plan, 0, "", plan.to_ms)
    assert client.query(parts).result_rows == [("inner", 10, 20)]
    decide(client, inner, 0, "", inner.to_ms)


CUT_FROM_MS, CUT_TO_MS = START_MS + 41 * WINDOW_MS, START_MS + 250 * WINDOW_MS
CUT_WINDOWS = {"live": (0, WINDOWS, 1), "halves": (41, 250, 1_000)}
"""Of a run: the first window, the end, and mg in each; half past an hour of the first day until half past one of the third."""
CUT_TOTALS = (
    "SELECT '{run}', 'cut', 'company', e, fromUnixTimestamp64Milli(toInt64({start} + w * {window})), 900, c, 2, 'location', 1000, {mg},"
    " 100, 900000, 900000, 7 FROM (SELECT {first} + number AS w FROM numbers({n})) ARRAY JOIN ['a', 'b'] AS e, ['electricity', 'gas'] AS c"
)
CUT_INTENSITY = (
    "SELECT '{run}', 'cut', '', 'location', fromUnixTimestamp64Milli(toInt64({start} + w * {window})), 900, 1000, {mg}, 1, 0.1,"
    " 900000, 900000, 7 FROM (SELECT {first} + number AS w FROM numbers({n}))"
)
CUT_SUMS = (
    "INSERT INTO zonepulse.period_{table} (run, zone, period, {keys}, start, local_start, length_s, energy_micro, co2e_mg,"
    " estimated_micro, valued_micro, covered_ms, expected_ms, revision) SELECT run, zone, '{period}', {keys}, at, at, {seconds},"
    " sum(energy_micro), sum(co2e_mg), sum(100), sum(energy_micro), sum(covered_ms), sum(expected_ms), 7 FROM (SELECT *,"
    " toStartOfInterval(start, toIntervalSecond({seconds})) AS at FROM zonepulse.{table}) WHERE zone = 'cut'"
    " GROUP BY run, zone, {keys}, at HAVING count() = {seconds} / 900"
)
CUT_SEEN = "SELECT " + ", ".join(
    f"(SELECT (count(), sum(energy_micro), sum(co2e_mg), sum({estimated}), sum(covered_ms)) FROM zonepulse.{view}_final"
    f" WHERE run = 'live' AND zone = 'cut'{more})"
    for view, estimated, more in (
        ("totals", "estimated_micro", ""), ("period_totals", "estimated_micro", " AND period = 'hour'"),
        ("period_totals", "estimated_micro", " AND period = 'day'"), ("intensity", "toInt64(100)", ""),
        ("period_intensity", "estimated_micro", " AND period = 'hour'"), ("period_intensity", "estimated_micro", " AND period = 'day'"),
    )
)  # fmt: skip


def fill_cut(client: Client) -> None:
    """Three days of the live tasks and a run, with the sums of the hours and days that each has whole."""
    for run, (first, end, mg) in CUT_WINDOWS.items():
        for table, rows in (("totals", CUT_TOTALS), ("intensity", CUT_INTENSITY)):
            said = rows.format(run=run, start=START_MS, window=WINDOW_MS, first=first, n=end - first, mg=mg)
            client.command(f"INSERT INTO zonepulse.{table} {said}")
    for period, seconds in (("hour", 3_600), ("day", 86_400)):
        for table, keys in (("totals", "entity_kind, entity, carrier, scope, basis"), ("intensity", "node, basis")):
            client.command(CUT_SUMS.format(table=table, keys=keys, period=period, seconds=seconds))


def test_hours_and_days_that_the_edges_of_a_promotion_cut_are_the_sums_of_what_stands(
    server: ClickHouseProcess, client: Client
) -> None:
    fill_cut(client)
    plan = Plan("halves", "cut", CUT_FROM_MS, CUT_TO_MS, "zp.readings", ((0, 10),))
    run, is_over, seen, wrong = done(client, name="halves", plan=plan), threading.Event(), set[int](), list[object]()
    more = (250 - 41) * 999
    carbon = {0: (WINDOWS * 2, WINDOWS), 1: (WINDOWS * 2 + more * 2, WINDOWS + more)}
    rows = (WINDOWS * 2, 72 * 2, 3 * 2), (WINDOWS, 72, 3)

    def read() -> None:
        with connected(server, READER) as reader:
            while not is_over.is_set():
                found = reader.query(CUT_SEEN).first_row
                side = int(found[0][2] != WINDOWS * 2)
                must = [
                    (n, each * 1000, mg, each * 100, each * 900_000)
                    for counts, each, mg in zip(rows, (WINDOWS * 2, WINDOWS), carbon[side], strict=True)
                    for n in counts
                ]
                if list(found) != must:
                    wrong.append((found, must))
                seen.add(side)

    promote_and_revert(client, run, max(3, ROUNDS // 5), 5, read, is_over)
    assert wrong == []
    assert seen == {0, 1}
    own = "SELECT count() FROM zonepulse.period_totals_final WHERE run = 'halves' AND period = 'day'"
    assert client.query(own).first_row == (2,), (
        "under its own name the run has the day that it has whole, and no sum with live rows"
    )


def test_a_day_that_an_edge_cuts_is_not_shared_by_two_runs(client: Client) -> None:
    zone, hour_ms = registry(), 3_600_000
    first = Plan("first", "shared", FROM_MS, TO_MS + 10 * hour_ms, "zp.readings", ((0, 10),))
    begins = {name: msgspec.structs.replace(first, run=name, from_ms=TO_MS + at * hour_ms, to_ms=TO_MS + 72 * hour_ms)
              for name, at in (("touches", 10), ("same-day", 12), ("next-day", 24))}  # fmt: skip
    promote(client, done(client, name="first", plan=first), zone, SETTLED_MS, "")
    try:
        for name in ("touches", "same-day"):
            with pytest.raises(CannotReplay, match=r"'first' is promoted .* `zonepulse replay revert first` first"):
                promote(client, done(client, name=name, plan=begins[name]), zone, SETTLED_MS, "")
        run = done(client, name="next-day", plan=begins["next-day"])
        promote(client, run, zone, SETTLED_MS, "")
        revert(client, run, "")
    finally:
        revert(client, done(client, name="first", plan=first), "")


def test_a_run_of_files_is_promoted_where_they_begin_with_the_zone_and_end_behind_what_can_revise_it(client: Client) -> None:
    plan = done(client).plan
    assert plan is not None
    plan = msgspec.structs.replace(plan, files=(("/log.jsonl", ""),))
    whole = {"first_ingest_ms": START_MS, "last_ingest_ms": SETTLED_MS}
    for result, words in (
        (whole | {"first_ingest_ms": TO_MS}, r"approximate .* its files begin at .* with files from the beginning on"),
        (whole | {"first_ingest_ms": None}, "hold no reading"), (whole | {"last_ingest_ms": TO_MS}, "can still revise"),
    ):  # fmt: skip
        with pytest.raises(CannotReplay, match=words):
            promote(client, done(client, plan=plan, result=result), registry(), SETTLED_MS, "")
    promote(client, done(client, plan=plan, result=whole), registry(), SETTLED_MS, "")
    revert(client, done(client), "")


OPEN_ZONE = "open"
OPEN_FROM = 20
"""The window from which the following run has rows: the zone's day begins with it."""
LIVE_SAYS, RUN_SAYS = 7, 8
BEHIND = 3
"""The run writes a window when live has this many behind it."""
HANDED_ZONE = "handed"
SEEN = "SELECT " + ", ".join(
    f"(SELECT arraySort(groupArray((toInt64((toUnixTimestamp64Milli({TABLES[name].time}) - {START_MS}) / {WINDOW_MS}),"
    f" toString({'reason' if name == 'dead_letters' else 'revision'})))) FROM zonepulse.{name}_final WHERE run = 'live'"
    " AND zone = {zone:String})"
    for name in FINAL_TABLES
)
"""By table, (window, who says it) of every live row."""


def write_window(client: Client, run: str, window: int, says: int, zone: str = OPEN_ZONE) -> None:
    """A row of every table."""
    for name in FINAL_TABLES:
        table = TABLES[name]
        who = "reason" if name == "dead_letters" else "revision"
        said = {table.time: f"fromUnixTimestamp64Milli(toInt64({START_MS + window * WINDOW_MS}))", who: str(says)}
        said |= {table.lasts: str(WINDOW_MS // 1000)} if table.lasts else {}
        said |= {k: "'zp.readings'" if k == "topic" else str(window) for k in ("topic", "offset") if name == "dead_letters"}
        columns = ", ".join(f"`{column}`" for column in said)
        client.command(f"INSERT INTO zonepulse.{name} (run, zone, {columns}) SELECT '{run}', '{zone}', {', '.join(said.values())}")


def sides(rows: Sequence[tuple[int, str]]) -> tuple[int, int | None, bool]:
    """Windows without a gap from the first on; where the run's part ends, if there is one; whether it is whole and each window is one's."""
    windows, says = [window for window, _ in rows], [int(who) for _, who in rows]
    run = [window for window, who in zip(windows, says, strict=True) if who == RUN_SAYS]
    is_whole = windows == list(range(len(windows))) and run == list(range(OPEN_FROM, OPEN_FROM + len(run)))
    return len(windows), run[-1] + 1 if run else None, is_whole


class Readers:
    """Ten, who query every `*_final` view in one statement, in a loop. A statement looks at one table after the other, so where rows come
    meanwhile the run's part of tables may end as many windows apart as are begun meanwhile, and one; `begun` says how many there are."""

    def __init__(self, server: ClickHouseProcess, zone: str, begun: Callable[[], int] | None = None) -> None:
        self._server, self._zone, self._begun, self._is_over = server, zone, begun, threading.Event()
        self.wrong: list[object] = []
        self.seen: set[bool] = set()
        self._pool = ThreadPoolExecutor(10)
        self._reading = [self._pool.submit(self._read) for _ in range(10)]

    def _read(self) -> None:
        most, last_end = 0, 0
        with connected(self._server, READER) as reader:
            while not self._is_over.is_set():
                before = self._begun() if self._begun else 0
                found = [sides(rows) for rows in reader.query(SEEN, parameters={"zone": self._zone}).first_row]
                apart = self._begun() - before + 1 if self._begun else 0
                ends = [end for _, end, _ in found if end is not None]
                is_one = len(ends) in (0, len(found)) and (not ends or max(ends) - min(ends) <= apart)
                if not is_one or not all(whole for _, _, whole in found) or min(n for n, _, _ in found) < most:
                    self.wrong.append(found)
                if ends and max(ends) < last_end:
                    self.wrong.append((max(ends), last_end))
                most, last_end = max(n for n, _, _ in found) - 1, min(ends, default=last_end)
                self.seen.add(bool(ends))

    def stop(self) -> None:
        self._is_over.set()
        for one in self._reading:
            one.result()
        self._pool.shutdown()


def test_readers_see_each_window_once_while_live_tasks_go_on_from_a_run_that_is_handed_over_and_back(
    server: ClickHouseProcess, client: Client
) -> None:
    """What the store sees of it: the rows of one side go on, then the other's row of `promotions`, and the same back."""
    plan = Plan("taken", HANDED_ZONE, START_MS + OPEN_FROM * WINDOW_MS, TO_MS, "zp.readings", ((0, 10),))
    end_ms = START_MS + 1_000_000 * WINDOW_MS
    written, begun = {"live": 0, "taken": OPEN_FROM}, Counter[str]()

    def go_on(run: str, end: int) -> None:
        for window in range(written[run], end):
            begun[run] += 1
            write_window(client, run, window, LIVE_SAYS if run == "live" else RUN_SAYS, HANDED_ZONE)
        written[run] = end

    go_on("live", OPEN_FROM + 10)
    readers = Readers(server, HANDED_ZONE, begun.total)
    try:
        for _ in range(ROUNDS):
            go_on("taken", written["live"])
            decide(client, plan, 1, "a test", end_ms)
            go_on("taken", written["taken"] + 1)
            go_on("live", written["taken"])
            decide(client, plan, 0, "a test", end_ms)
            go_on("live", written["live"] + 1)
    finally:
        readers.stop()
    assert not readers.wrong, readers.wrong[:5]
    assert readers.seen == {True, False}


def test_a_following_run_stands_with_an_open_end_while_live_goes_on(server: ClickHouseProcess, client: Client) -> None:
    policy = replace(registry().zone, id=OPEN_ZONE, utc_offsets=((ALWAYS, -OPEN_FROM * WINDOW_MS),))
    plan = Plan("shadow", OPEN_ZONE, START_MS + OPEN_FROM * WINDOW_MS, START_MS + 30 * WINDOW_MS, "zp.readings", ((0, 10),))
    run = done(client, name="shadow", plan=plan, state=runs.FOLLOWING)
    is_over = threading.Event()
    lag_ms = START_MS + WINDOW_MS - whole_before_ms(policy, START_MS)
    """By how much the applied tick is behind the end of the last window that is whole."""

    def write(first: int) -> None:
        """Live, a window at a time; the run the same some windows behind, and how far it has come."""
        with connected(server) as writer:
            writer.database = "zonepulse"
            followed = Followed(writer, plan)
            for window in range(first, first + 100_000):
                write_window(writer, "live", window, LIVE_SAYS)
                if (own := window - BEHIND) >= OPEN_FROM:
                    write_window(writer, "shadow", own, RUN_SAYS)
                    followed.say(policy, (START_MS + own * WINDOW_MS + lag_ms) // policy.tick_ms)
                if is_over.is_set() or (first == 0 and window == OPEN_FROM + 10):
                    return

    write(0)
    readers = Readers(server, OPEN_ZONE)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write, OPEN_FROM + 11)
        try:
            for _ in range(ROUNDS):
                hand_over(client, run, policy, "a test")
                with pytest.raises(CannotReplay, match="'shadow' is promoted for a part of the stretch"):
                    hand_over(client, replace(run, name="other", plan=msgspec.structs.replace(plan, run="other")), policy, "")
                revert(client, run, "a test")
        finally:
            is_over.set()
            readers.stop()
        writing.result()
    assert not readers.wrong, readers.wrong[:5]
    assert readers.seen == {True, False}


def test_the_views_cost_no_multiple_of_reading_the_table(client: Client) -> None:
    """Reading a company's day through the view, beside the same without promotions; both in this run, many times."""
    times: dict[str, list[float]] = {"view": [], "table": []}
    where = "WHERE run = 'live' AND zone = 'z' AND entity_kind = 'company' AND entity = 'c7'"
    for _ in range(30):
        for name, source in (("view", "totals_final"), ("table", "(SELECT * FROM totals FINAL)")):
            begun = time.perf_counter()
            client.query(f"SELECT sum(co2e_mg) FROM {source} {where}")
            times[name].append(time.perf_counter() - begun)
    assert min(times["view"]) < 6 * min(times["table"]), "the quickest of each: other work on the machine only adds"
