"""What operations get ready-made: Prometheus's rules and Alertmanager's routes, judged by their own programs."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from zonepulse.schemas.messages.alerts import PIPELINE_RULES
from zonepulse.streams.health.runbooks import names, page
from zonepulse.streams.metrics import Metrics

pytestmark = pytest.mark.integration
DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "zonepulse.rules.yml"
ROUTES = DEPLOY / "alertmanager" / "alertmanager.yml"


def judged(program: str, *arguments: str) -> str:
    found = shutil.which(program)
    assert found, f"{program} is not on PATH: as root, `apt-get install prometheus prometheus-alertmanager` (Debian) brings it"
    done = subprocess.run([found, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_rule_fires_where_its_example_says_and_not_before() -> None:
    judged("promtool", "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))
    judged("promtool", "test", "rules", str(RULES.with_name("zonepulse.rules_test.yml")))


def test_every_rule_has_an_example_a_remedy_and_a_severity() -> None:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    examples = RULES.with_name("zonepulse.rules_test.yml").read_text()
    for rule in group["rules"]:
        assert rule["alert"] in examples, rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning") and rule["annotations"]["remedy"], rule["alert"]


def test_every_alert_about_the_machine_has_a_page_of_what_to_do() -> None:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    assert {rule["alert"]: rule["annotations"]["runbook"] for rule in group["rules"]} == {
        rule["alert"]: f"zonepulse runbook {rule['alert']}" for rule in group["rules"]
    }
    assert set(names()) == {rule["alert"] for rule in group["rules"]} | set(PIPELINE_RULES)
    for name in names():
        text = page(name)
        assert text.startswith(f"# {name}\n") and "\n## Look\n" in text and "\n## Do\n" in text, name
        assert set(re.findall(r"\]\((\w+)\.md\)", text)) <= set(names()), name


def test_no_alert_of_the_pipeline_is_without_a_page() -> None:
    sources = [path.read_text("utf-8") for room in ("processors", "streams") for path in (DEPLOY.parent / room).rglob("*.py")]
    assert {rule for text in sources for rule in re.findall(r'"(ops_[a-z_]+)"', text)} - {"ops_rule"} == set(PIPELINE_RULES)


def test_rules_ask_for_metrics_that_workers_have() -> None:
    metrics = CollectorRegistry()
    Metrics(metrics)
    known = {family.name + ("_total" if family.type == "counter" else "") for family in metrics.collect()}
    asked = set(re.findall(r"zonepulse_\w+", RULES.read_text()))
    assert asked and asked <= known, asked - known


@pytest.mark.parametrize(("labels", "receiver"), [
    ("alertname=Watchdog severity=none", "dead-mans-switch"),
    ("alertname=no_factor severity=critical company=mill", "on-call"),
    ("alertname=ZonepulsePartitionStanding severity=critical", "on-call"),
    ("alertname=ops_undelivered severity=warning", "operations"),
    ("alertname=ZonepulsePoison severity=warning", "operations"),
    ("alertname=silent_channel severity=warning company=mill", "nobody"),
])  # fmt: skip
def test_alerts_reach_whom_they_are_for(labels: str, receiver: str) -> None:
    judged("amtool", "check-config", str(ROUTES))
    routed = judged("amtool", "config", "routes", "test", f"--config.file={ROUTES}", *labels.split())
    assert routed.split() == [receiver]
