"""The dashboard *pipeline*: is the machine well? Rate, errors and duration of every task, lag, checkpoints, store (from Prometheus)."""

import re
from importlib.resources import files
from typing import Final

import yaml

from boards import frame
from boards.parts import ACT, OK, UNKNOWN, WATCH, Json, fields, lines, panel, reduced, stat, thresholds
from zonepulse.streams.queries.limits import Limits
from zonepulse.streams.queries.texts import Texts

UID: Final = "zp-pipeline"
PROMETHEUS: Final[Json] = {"type": "prometheus", "uid": "zpprom"}
_RULES: Final = files("zonepulse.deploy") / "prometheus" / "zonepulse.rules.yml"
_PLACE: Final = "{{topic}} {{partition}}"
_WORKERS: Final = '{job="zonepulse"}'


def limit_of(alert: str) -> float:
    """The number above which a rule of Prometheus fires: the first that its expression compares with. ValueError if there is none."""
    (rule,) = (r for g in yaml.safe_load(_RULES.read_text("utf-8"))["groups"] for r in g["rules"] if r["alert"] == alert)
    found = re.search(r">=? ([0-9.]+)", rule["expr"])
    if found is None:
        raise ValueError(f"{alert} of zonepulse.rules.yml compares with no number: {rule['expr']}")
    return float(found[1])


def _drawn(colour: str, alert: str) -> Json:
    """The limit of a rule as a dashed line."""
    return {
        "thresholds": thresholds(("transparent", None), (colour, limit_of(alert))),
        "custom": {"thresholdsStyle": {"mode": "dashed"}},
    }


def _p95(label: str, histogram: str) -> str:
    return f"histogram_quantile(0.95, sum by ({label}, le) (rate({histogram}_bucket[5m])))"


class Pipeline:
    """The panels in one language; their order is the reading order."""

    def __init__(self, zone: Limits, say: Texts) -> None:
        self._zone, self._say = zone, say

    def dashboard(self) -> Json:
        """All of it."""
        say, zone = self._say, self._zone
        panels = [
            self._workers(),
            *(self._over_time(i, *one) for i, one in enumerate(self._questions())),
        ]
        return frame.dashboard(UID, "pipeline", zone, say, [], panels) | {"time": {"from": "now-3h", "to": "now"}, "refresh": "30s"}

    def _questions(self) -> list[tuple[str, str, dict[str, str], Json]]:
        """Of every panel over time: its text, its unit, expressions by their legends, the limit that a rule of Prometheus draws."""
        say = self._say
        return [
            ("records_rate", "reqps", {"{{instance}} {{topic}}": f"sum by (instance, topic) (rate(zonepulse_records_total{_WORKERS}[2m]))"},
             {}),
            ("tick_lag", "s", {"{{task}} {{partition}}": "max by (task, partition) (zonepulse_tick_lag_seconds)"},
             _drawn(WATCH, "ZonepulseTickLag")),
            ("records_lag", "short", {_PLACE: "max by (topic, partition) (zonepulse_lag_records)"}, _drawn(WATCH, "ZonepulseLagGrows")),
            ("standing", "s", {_PLACE: "max by (topic, partition) (zonepulse_partition_standing_seconds)"},
             _drawn(ACT, "ZonepulsePartitionStanding")),
            ("refused_rate", "reqps", {
                "{{reason}}": "sum by (reason) (rate(zonepulse_dead_letters_total[5m]))",
                f"{say('poison')} {{{{topic}}}}": "sum by (topic) (rate(zonepulse_poison_total[5m]))",
                f"{say('lost_records')} {{{{topic}}}}": "sum by (topic) (rate(zonepulse_records_lost_total[5m]))",
            }, {}),
            ("kernel_time", "s", {"{{task}} p95": _p95("task", "zonepulse_kernel_seconds")}, {}),
            ("insert_time", "s", {
                "{{table}} p95": _p95("table", "zonepulse_insert_seconds"),
                f"{say('retries')} {{{{table}}}}": "sum by (table) (rate(zonepulse_insert_retries_total[5m]))",
            }, {}),
            ("rows_rate", "reqps", {"{{table}}": "sum by (table) (rate(zonepulse_rows_written_total[2m]))"}, {}),
            ("waiting", "short", {
                say("waiting_rows"): "max(zonepulse_waiting_rows)",
                say("at_rest"): "max(zonepulse_partitions_at_rest)",
            }, {}),
            ("checkpoints", "Bps", {"{{task}}": "sum by (task) (rate(zonepulse_checkpoint_bytes_total[5m]))"}, {}),
            ("machine", "short", {
                "CPU {{instance}}": f"rate(process_cpu_seconds_total{_WORKERS}[2m])",
                "GB {{instance}}": f"process_resident_memory_bytes{_WORKERS} / 1e9",
            }, {}),
        ]  # fmt: skip

    def _target(self, number: int, legend: str, expression: str, *, instant: bool = False) -> Json:
        return {
            "refId": chr(ord("A") + number),
            "datasource": PROMETHEUS,
            "expr": expression,
            "legendFormat": legend,
            "instant": instant,
            "range": not instant,
        }

    def _workers(self) -> Json:
        say = self._say
        known = [{"type": "value", "options": {"0": {"text": say("down"), "color": ACT}, "1": {"text": say("up"), "color": OK}}}]
        made = panel(
            "stat", say("workers"), say("workers_about"), (0, 0, 6, 7),
            [self._target(0, "{{instance}}", f"up{_WORKERS}", instant=True)],
            fieldConfig=fields(mappings=known, noValue=say("no_worker"), thresholds=thresholds((UNKNOWN, None))),
            options=stat(reduced("last"), text="value_and_name", orientation="horizontal", justify="auto",
                         sizes={"titleSize": 13, "valueSize": 18}),
        )  # fmt: skip
        return made | {"datasource": PROMETHEUS}

    def _over_time(self, number: int, key: str, unit: str, expressions: dict[str, str], limit: Json) -> Json:
        """Lines of some expressions; four panels a row, the workers' own the first of them."""
        say, (row, column) = self._say, divmod(number + 1, 4)
        targets = [self._target(i, legend, expression) for i, (legend, expression) in enumerate(expressions.items())]
        place = (6 * column, 7 * row, 6, 7)
        made = lines(
            say(key), say(f"{key}_about"), place, targets, say("no_metric"), min=0, decimals=2, interval="15s", unit=unit, **limit
        )
        return made | {"datasource": PROMETHEUS}


BOARD: Final = frame.Board(UID, Pipeline)
