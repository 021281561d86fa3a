"""The dashboards' files: what Grafana would not complain about and a person would."""

import json
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from notify_parts import transition
from prometheus_client import CollectorRegistry

from zonepulse.processors.detection.meter.rules import RULES
from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.messages.readings import REASONS
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.subscribers import Subscriber
from zonepulse.schemas.tables.ddl import DATABASE, EXPLAIN, STORAGES
from zonepulse.schemas.tables.results import QUALITIES
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.notify.composing import Composer
from zonepulse.streams.notify.routing.facts import directory, parse_row
from zonepulse.streams.notify.settings import NotifySettings
from zonepulse.streams.queries.macros import TimeRange, with_macros, with_variables

GRAFANA = Path(__file__).parents[2] / "grafana"
sys.path.insert(0, str(GRAFANA))

from boards.frame import uid_of  # noqa: E402
from boards.zone_live import BOARD as ZONE_LIVE  # noqa: E402
from build import dashboards, declared, demo_zone, text_of  # noqa: E402

from zonepulse.streams.queries import texts, zone_live_queries  # noqa: E402
from zonepulse.streams.queries.limits import Limits, limits_of  # noqa: E402

BUILT = dashboards(demo_zone())
FILES = {path.name: json.loads(path.read_text("utf-8")) for path in sorted((GRAFANA / "dashboards").glob("*.json"))}
STORED = [name for name, dashboard in FILES.items() if dashboard["templating"]["list"]]
"""Those that read the store; the others read Prometheus."""
GRAFANAS_OWN = {"__url_time_range", "__field", "__data"}

every_dashboard = pytest.mark.parametrize("name", BUILT)
every_stored = pytest.mark.parametrize("name", STORED)


def strings(value: object) -> Iterator[str]:
    """Every string inside a JSON value."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(inner)


def queries(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of panels, variables and annotations."""
    yield from (target for panel in dashboard["panels"] for target in panel["targets"])
    yield from (variable["query"] for variable in dashboard["templating"]["list"])
    yield from (marks["target"] for marks in dashboard["annotations"]["list"])


def demo_limits(**changes: object) -> Limits:
    return replace(limits_of(parse_zone(demo_zone())), **changes)  # type: ignore[arg-type]


def test_the_committed_files_are_what_the_builder_writes() -> None:
    assert {path.name for path in (GRAFANA / "dashboards").iterdir()} == set(BUILT)
    for name, dashboard in BUILT.items():
        assert (GRAFANA / "dashboards" / name).read_text("utf-8") == text_of(dashboard), "run `make dashboards`"


@every_dashboard
def test_panel_ids_are_unique_and_annotations_name_panels_that_exist(name: str) -> None:
    ids = [panel["id"] for panel in FILES[name]["panels"]]
    assert len(ids) == len(set(ids))
    for marks in FILES[name]["annotations"]["list"]:
        assert marks["filter"]["ids"] and set(marks["filter"]["ids"]) <= set(ids)


@every_dashboard
def test_a_dashboard_has_at_most_twelve_panels(name: str) -> None:
    assert len(FILES[name]["panels"]) <= 12


@every_dashboard
def test_panels_lie_in_the_grid_side_by_side(name: str) -> None:
    cells = [
        {(x, y) for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])}
        for p in (panel["gridPos"] for panel in FILES[name]["panels"])
    ]
    assert all(0 <= x < 24 for panel in cells for x, _ in panel)
    assert not any(one & other for one, other in combinations(cells, 2))
    assert len(set.union(*cells)) == 24 * (1 + max(y for panel in cells for _, y in panel)), "a hole in the grid"


@every_dashboard
def test_every_panel_has_text_thresholds_a_unit_or_words_and_says_what_it_shows_when_empty(name: str) -> None:
    for panel in FILES[name]["panels"]:
        defaults, overrides = panel["fieldConfig"]["defaults"], panel["fieldConfig"]["overrides"]
        assert panel["title"] and panel["description"], panel["id"]
        steps = defaults["thresholds"]["steps"]
        values = [step["value"] for step in steps[1:]]
        assert steps[0]["value"] is None and values == sorted(values), panel["title"]
        units = {p["id"] for o in overrides for p in o["properties"]} | defaults.keys()
        assert units & {"unit", "mappings"}, panel["title"]
        assert "noValue" in defaults or panel["type"] == "state-timeline", panel["title"]


@every_stored
def test_no_number_that_may_be_stale_is_taken_from_before_a_gap_and_no_gap_is_bridged(name: str) -> None:
    for panel in FILES[name]["panels"]:
        custom = panel["fieldConfig"]["defaults"].get("custom", {})
        assert custom.get("spanNulls", False) is False
        if panel["type"] == "stat" and any(target["format"] == 0 for target in panel["targets"]):
            assert panel["options"]["reduceOptions"]["calcs"] == ["last"]


@every_stored
def test_every_query_goes_to_the_provisioned_datasource_in_a_format_that_fits_its_type(name: str) -> None:
    provisioned, _ = datasources()
    source = {"type": provisioned["type"], "uid": provisioned["uid"]}
    used = list(_datasources(FILES[name]))
    assert used and all(one == source for one in used)
    for query in queries(FILES[name]):
        assert (query["format"], query["queryType"]) in {(0, "timeseries"), (1, "table")}


def _datasources(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        if "datasource" in value:
            yield value["datasource"]
        for inner in value.values():
            yield from _datasources(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _datasources(inner)


@every_stored
def test_every_variable_that_is_used_is_defined_and_every_defined_one_is_used(name: str) -> None:
    defined = {variable["name"] for variable in FILES[name]["templating"]["list"]}
    used = {match for text in strings(FILES[name]) for match in re.findall(r"\$\{(\w+)", text)}
    assert used - GRAFANAS_OWN == defined
    for text in strings(FILES[name]):
        assert not re.search(r"\$(?!__)\w", text), f"a bare $name in {text[:80]!r}: write ${{name}}"


@every_stored
def test_the_live_run_comes_first_and_is_chosen(name: str) -> None:
    run = FILES[name]["templating"]["list"][0]
    assert (run["name"], run["current"]["value"]) == ("run", "live")


@every_stored
def test_every_macro_is_one_that_the_plugin_has(name: str) -> None:
    for query in queries(FILES[name]):
        assert "$__" not in with_macros(query["rawSql"], TimeRange(0, 1))


@every_stored
def test_what_a_viewer_may_set_in_the_address_is_quoted_by_grafana(name: str) -> None:
    queries = [target["rawSql"] for panel in FILES[name]["panels"] for target in panel["targets"]]
    queries += [v["query"]["rawSql"] for v in FILES[name]["templating"]["list"] if v["type"] == "query"]
    assert not [sql for sql in queries if re.search(r"\$\{\w+\}|\$\w+\b(?<!\$__\w)", re.sub(r"\$__\w+", "", sql))]
    assert any("${zone:singlequote}" in sql for sql in queries)


@every_stored
def test_every_panel_query_is_bounded_in_time_and_keeps_to_one_run_and_zone(name: str) -> None:
    for panel in FILES[name]["panels"]:
        for target in panel["targets"]:
            sql = target["rawSql"]
            assert re.search(r"\$__(timeFilter_ms|toTime_ms)", sql), panel["title"]
            reads = len(re.findall(r"FROM zonepulse\.(?!registry_|runs_final WHERE zone|promotions_final WHERE zone)", sql))
            bounds = r"(run = \$\{run:singlequote\}|run IN \('live', \$\{run:singlequote\}\)) AND zone = \$\{zone:singlequote\}"
            assert len(re.findall(bounds, sql)) == reads, panel["title"]


@every_dashboard
def test_links_lead_to_dashboards_that_exist(name: str) -> None:
    links = [text for text in strings(FILES[name]) if text.startswith("/d/")]
    uids = {dashboard["uid"] for dashboard in FILES.values()}
    assert links and all(re.split(r"[/?]", link)[2] in uids for link in links)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_messages_link_leads_to_a_dashboard_of_its_readers_language(language: str) -> None:
    subscriber = Subscriber("desk", ("mailto:desk@plant.example",), language=language)
    composer = Composer(NotifySettings(grafana_url="https://grafana.example"))
    reader = composer.reader(subscriber, directory(parse_zone(demo_zone())), 1_790_000_200_000)
    link = reader.links_of(parse_row(json.dumps(transition(company="bakery")).encode())).grafana
    uid = re.split(r"[/?]", link.removeprefix("https://grafana.example"))[2]
    (found,) = (dashboard for dashboard in FILES.values() if dashboard["uid"] == uid)
    assert f"zonepulse-{language}" in found["tags"] and uid.startswith("zp-alerts")


@every_stored
def test_every_name_in_the_sql_is_a_column_of_the_tables_it_reads(name: str) -> None:
    tables = {f"{s.name}{suffix}": {c.name for c in s.columns} for s in STORAGES for suffix in ("", "_final")}
    tables[EXPLAIN.name] = set(EXPLAIN.columns)
    for query in queries(FILES[name]):
        sql = re.sub(r"'(?:[^'\\]|\\.)*'", "''", query["rawSql"])
        read = set(re.findall(rf"\b{DATABASE}\.(\w+)", sql))
        known = set[str]().union(*(tables[table] for table in read))
        aliases = set(re.findall(r"\bAS (\w+)", sql)) | set(re.findall(r"WINDOW (\w+)", sql)) | set(re.findall(r"\b(\w+) ->", sql))
        plain = re.sub(r'"(?:[^"\\]|\\.)*"|\$\{?\w+(?::\w+)?\}?', " ", sql)
        names = set(re.findall(r"(?<![\w.])(?:[a-z]\.)?([a-z][a-z_0-9]*)\b(?!\s*\(|\.)", plain))
        assert names <= known | aliases | {"number"}, f"{query['refId']}: {names - known - aliases}"


def test_versioned_tables_are_read_through_their_final_view() -> None:
    views = {storage.name for storage in STORAGES if storage.final}
    for name in STORED:
        for panel in FILES[name]["panels"]:
            for target in panel["targets"]:
                raw = set(re.findall(r"(?<!NOT EXISTS \(SELECT 1 )FROM zonepulse\.(\w+)", target["rawSql"]))
                assert not raw & views, panel["title"]


# Texts


def test_every_text_exists_in_every_language_with_the_same_names_to_fill_in() -> None:
    def fields(text: str) -> set[str | None]:
        return {field for _, field, _, _ in string.Formatter().parse(re.sub(r"\$\{[^}]*\}", "", text)) if field}

    for key, by_language in texts.TEXTS.items():
        assert tuple(by_language) == LANGUAGES, key
        assert len({frozenset(fields(text)) for text in by_language.values()}) == 1, key


def test_every_text_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = {rule.id for rule in RULES}, texts.Texts.__call__

    def ask(say: texts.Texts, key: str, **values: object) -> str:
        asked.add(key)
        return answer(say, key, **values)

    monkeypatch.setattr(texts.Texts, "__call__", ask)
    dashboards(demo_zone())
    ZONE_LIVE.make(demo_limits(watch_g=None, act_g=None, intensity_rules=()), "en")
    of_the_board = "".join(path.read_text("utf-8") for path in Path(texts.__file__).parents[1].glob("board/*.py"))
    assert [key for key in texts.TEXTS if key not in asked and f'"{key}"' not in of_the_board] == []


def test_the_languages_differ_in_texts_only() -> None:
    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shape(inner) for key, inner in value.items()}
        return [shape(inner) for inner in value] if isinstance(value, list) else "" if isinstance(value, str) else value

    for board in declared():
        names = [f"{uid_of(board.uid, language).removeprefix('zp-')}.json" for language in LANGUAGES]
        english, *others = (FILES[name] for name in names)
        for other in others:
            assert shape(other) == shape(english)
            for mine, its in zip(english["panels"], other["panels"], strict=True):
                assert mine["title"] != its["title"] and mine["description"] != its["description"]


def test_names_of_fields_are_unique_within_a_panel_in_every_language() -> None:
    for dashboard in FILES.values():
        for panel in dashboard["panels"]:
            names = [o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]]
            assert len(names) == len(set(names)), panel["title"]


# What the registry and the contracts say


def test_every_reason_and_quality_is_shown() -> None:
    shown = [reason for reasons in zone_live_queries.REASONS.values() for reason in reasons]
    assert sorted(shown) == sorted(REASONS[1:])
    assert sorted(zone_live_queries.QUALITIES) == sorted(QUALITIES)


def _steps(dashboard: dict[str, Any], title: str) -> list[float]:
    (panel,) = (p for p in dashboard["panels"] if p["title"] == title)
    return [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"] if step["value"]]


@pytest.mark.parametrize("title", ["Intensity now", "Carbon intensity against yesterday and last week"])
def test_the_limits_on_the_panels_are_those_of_the_rules(title: str) -> None:
    assert _steps(FILES["zone-live.json"], title) == [200.0]
    assert _steps(ZONE_LIVE.make(demo_limits(watch_g=540.0, act_g=600.0), "en"), title) == [540.0, 600.0]
    assert _steps(ZONE_LIVE.make(demo_limits(watch_g=None, act_g=None, intensity_rules=()), "en"), title) == []


def _with_rules(*rules: tuple[str, str, float]) -> Registry:
    registry = parse_zone(demo_zone())
    (rule,) = registry.rules
    return replace(registry, rules=tuple(replace(rule, id=name, severity=s, above=above) for name, s, above in rules))  # type: ignore[arg-type]


def test_a_severity_takes_the_lowest_limit_of_its_zone_rules_and_info_takes_none() -> None:
    limits = limits_of(
        _with_rules(("a", "warning", 560.0), ("b", "warning", 540.0), ("c", "critical", 600.0), ("d", "info", 500.0))
    )
    assert (limits.watch_g, limits.act_g) == (540.0, 600.0)
    assert [rule.id for rule in limits.intensity_rules] == ["b", "c"]


def test_rules_about_companies_or_other_indicators_set_no_limit() -> None:
    registry = parse_zone(demo_zone())
    (rule,) = registry.rules
    others = (replace(rule, on="company"), replace(rule, indicator="power_kw"), replace(rule, above=None, below=300.0))
    assert limits_of(replace(registry, rules=others)).watch_g is None


def test_a_zone_is_blind_after_two_windows_or_two_periods_of_its_fastest_register() -> None:
    limits = demo_limits()
    settle_s = 60 + 2 * 60 + 10 + 60
    assert (limits.quiet_s, limits.blind_s, limits.slowest_s) == (900 + settle_s, 1800 + settle_s, 3600 + 900 + settle_s)


# Provisioning


def datasources() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((GRAFANA / "provisioning/datasources/zonepulse.yml").read_text("utf-8"))[
        "datasources"
    ]
    return found


# Prometheus


def expressions() -> dict[str, str]:
    """Of the panels that read Prometheus, by title and letter."""
    panels = [panel for name, dashboard in FILES.items() if name not in STORED for panel in dashboard["panels"]]
    return {f"{panel['title']} {target['refId']}": target["expr"] for panel in panels for target in panel["targets"]}


@pytest.mark.integration
def test_every_expression_is_one_that_prometheus_takes_and_names_metrics_that_workers_have(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry())
    known = {"up"} | {f"{metric.name}{suffix}" for metric in metrics.registry.collect() for suffix in ("", "_total", "_bucket")}
    for title, expression in expressions().items():
        names = set(re.findall(r"\b(?:zonepulse|process)_\w+|\bup\b", expression))
        assert names and names <= known, title
    rules = [{"record": f"zonepulse:panel_{i}", "expr": expression} for i, expression in enumerate(expressions().values())]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(tmp_path / "panels.yml")], capture_output=True, text=True)
    assert done.returncode == 0 and f"{len(rules)} rules found" in done.stdout, done.stderr


def test_the_limits_drawn_are_those_of_the_rules_and_their_datasource_is_provisioned() -> None:
    dashboard = FILES["pipeline.json"]
    drawn = {
        panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"]
        for panel in dashboard["panels"]
        if len(panel["fieldConfig"]["defaults"]["thresholds"]["steps"]) > 1
    }
    assert drawn == {"Behind the clock": 300, "Records that wait": 10_000, "Partitions that stand": 120}
    rules = (GRAFANA.parent / "deploy/prometheus/zonepulse.rules.yml").read_text("utf-8")
    assert all(f"> {limit:g}" in rules for limit in drawn.values())
    _, prometheus = datasources()
    used = [one for panel in dashboard["panels"] for one in (panel["datasource"], *(t["datasource"] for t in panel["targets"]))]
    assert all(one == {"type": prometheus["type"], "uid": prometheus["uid"]} for one in used)


def test_provisioning_takes_where_to_connect_from_the_environment() -> None:
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/zonepulse.yml").read_text("utf-8"))["providers"]
    asked = {text for text in (*strings(datasources()), *strings(provider)) if text.startswith("${")}
    assert asked == {f"${{ZONEPULSE_CLICKHOUSE_{what}}}" for what in ("HOST", "PORT", "USER", "PASSWORD")} | {
        "${ZONEPULSE_DASHBOARDS}",
        "${ZONEPULSE_PROMETHEUS}",
    }
    readme = (GRAFANA / "README.md").read_text("utf-8")
    assert all(name.strip("${}") in readme for name in asked)


# The port of the plugin's macros: 2014-11-12T11:45:26.371Z to 2015-11-12T11:45:26.371Z, as in the plugin's own tests


@pytest.mark.parametrize(
    ("sql", "expanded"),
    [
        ("bar > $__fromTime", "bar > toDateTime(1415792726)"),
        ("bar < $__toTime", "bar < toDateTime(1447328726)"),
        ("bar > $__fromTime_ms", "bar > fromUnixTimestamp64Milli(1415792726371)"),
        ("least(now(), $__toTime_ms)", "least(now(), fromUnixTimestamp64Milli(1447328726371))"),
        ("$__timeFilter(col)", "col >= toDateTime(1415792726) AND col <= toDateTime(1447328726)"),
        (
            "$__timeFilter_ms(f(a) + INTERVAL 1 DAY) OR x",
            "f(a) + INTERVAL 1 DAY >= fromUnixTimestamp64Milli(1415792726371)"
            " AND f(a) + INTERVAL 1 DAY <= fromUnixTimestamp64Milli(1447328726371) OR x",
        ),
        ("$__timeInterval(col)", "toStartOfInterval(toDateTime(col), INTERVAL 20 second)"),
        ("$__timeInterval_ms(col)", "toStartOfInterval(toDateTime64(col, 3), INTERVAL 20000 millisecond)"),
        ("intDiv($__interval_s + 899, 900)", "intDiv(20 + 899, 900)"),
    ],
)
def test_macros_expand_as_the_plugin_expands_them(sql: str, expanded: str) -> None:
    assert with_macros(sql, TimeRange(1415792726371, 1447328726371, 20)) == expanded


@pytest.mark.parametrize("sql", ["$__columns(a, b)", "$__lttb(a)", "$__nothing"])
def test_macros_of_later_plugin_versions_are_refused(sql: str) -> None:
    with pytest.raises(ValueError):
        with_macros(sql, TimeRange(0, 1))


@pytest.mark.parametrize("sql", ["$__timeFilter(a, b)", "$__timeFilter()", "$__timeInterval(f(a, b), c)"])
def test_macros_refuse_what_the_plugin_refuses(sql: str) -> None:
    with pytest.raises(ValueError, match="one argument"):
        with_macros(sql, TimeRange(0, 1))
    assert with_macros("$__dateFilter(f(a, b))", TimeRange(0, 86_400_000)) == (
        "f(a, b) >= toDate('1970-01-01') AND f(a, b) <= toDate('1970-01-02')"
    )


@every_dashboard
def test_an_empty_cell_and_a_gap_show_a_dash_and_the_message_is_the_panels(name: str) -> None:
    for panel in FILES[name]["panels"]:
        if panel["type"] in ("table", "timeseries"):
            first = panel["fieldConfig"]["overrides"][0]
            assert first["matcher"] == {"id": "byRegexp", "options": "/.*/"}, panel["title"]
            assert first["properties"] == [{"id": "noValue", "value": "–"}], panel["title"]


@every_dashboard
def test_masses_are_tonnes(name: str) -> None:
    assert "masskg" not in set(strings(FILES[name]))


def test_variables_are_replaced_as_grafana_replaces_them() -> None:
    values = {"run": "live", "company": ["a", "b'c"]}
    assert with_variables("'${run}' IN (${company:singlequote})", values) == "'live' IN ('a','b\\'c')"
    with pytest.raises(KeyError):
        with_variables("${zone}", values)
