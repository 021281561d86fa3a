"""What an operator copies from deploy/: each file is taken by a tool that knows its kind, and every command and setting in it exists."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.core import TyperGroup

from zonepulse.schemas.messages.tasks import TASKS
from zonepulse.streams.access.roles import roles
from zonepulse.streams.access.strimzi import strimzi_users
from zonepulse.streams.cli.main import load
from zonepulse.streams.embedded.kafka.jars import deploy_text

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service")) + sorted((DEPLOY / "systemd").glob("*.timer"))
COMPOSE = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text("utf-8"))


def judged(program: str, *arguments: str) -> str:
    found = shutil.which(program)
    assert found, f"{program} is not on PATH"
    done = subprocess.run([found, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def resources() -> list[dict[str, Any]]:
    """What kustomize makes of deploy/kubernetes."""
    return list(yaml.safe_load_all(judged("kubectl", "kustomize", str(DEPLOY / "kubernetes"))))


def of_kind(resources: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {r["metadata"]["name"]: r for r in resources if r["kind"] == kind}


def containers(resources: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for resource in resources:
        pod = (
            resource.get("spec", {}).get("template", {}).get("spec", {})
            if resource["kind"] in ("StatefulSet", "Deployment", "Job")
            else {}
        )
        yield from (*pod.get("containers", ()), *pod.get("initContainers", ()))


def parsed(words: list[str]) -> None:
    """zonepulse's own parser takes the command; it is not run. Raises what typer raises."""
    command, name, rest = load(words[0]), words[0], words[1:]
    while isinstance(command, TyperGroup):
        with command.make_context(name, rest, resilient_parsing=True) as context:
            name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
    command.make_context(name, rest).close()


def commands(resources: list[dict[str, Any]]) -> Iterator[list[str]]:
    for unit in UNITS:
        for line in re.findall(r"^ExecStart=/usr/bin/env zonepulse (.*)$", unit.read_text(), re.M):
            for task in TASKS if "%i" in line else [""]:
                yield shlex.split(line.replace("%i", task).replace("%S", "/var/lib"))
    yield from (service["command"] for service in COMPOSE["services"].values() if "command" in service)
    yield from (container["args"] for container in containers(resources))
    pages = [DEPLOY / "README.md", ROOT / "SECURITY.md", *sorted((DEPLOY / "runbooks").glob("*.md"))]
    for text in (page.read_text("utf-8") for page in pages):
        yield from (
            shlex.split(line)
            for line in re.findall(r"`zonepulse ((?:acl|backup|checkpoints|topics|migrate|registry|doctor)[A-Za-z .-]*)`", text)
        )
        yield from (shlex.split(line) for line in re.findall(r"^    (?:[A-Z_]+=\S+ )?zonepulse (.*)$", text, re.M))


def test_every_command_is_taken_by_zonepulse(
    resources: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = list(commands(resources))
    assert len(found) > 25
    for words in found:
        parsed(words)
    with pytest.raises(Exception, match="no-such-option"):
        parsed(["topics", "apply", "--no-such-option"])


def test_every_setting_is_one_that_zonepulse_reads() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "streams").rglob("*.py"))
    known = {name.lower() for name in re.findall(r"[a-z_]{3,}|[A-Z_]{3,}", sources)}
    files = [
        *(DEPLOY / "systemd").iterdir(),
        *(DEPLOY / "docker").iterdir(),
        *(DEPLOY / "kubernetes").iterdir(),
        DEPLOY / "README.md",
    ]
    asked = {name for file in files for name in re.findall(r"ZONEPULSE_([A-Z_]+)", file.read_text("utf-8"))}
    grafana = {"DASHBOARDS", "CLICKHOUSE_HOST", "PROMETHEUS"}
    assert len(asked) > 15
    assert {
        name for name in asked - grafana if name.lower() not in known and name.removesuffix("_FILE").lower() not in known
    } == set()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_each_unit(unit: Path, tmp_path: Path) -> None:
    folder = tmp_path / "zonepulse-worker@.service.d"
    folder.mkdir()
    for file in UNITS:
        (tmp_path / file.name).write_text(file.read_text().replace("User=zonepulse", "User=root"))
    shutil.copy(DEPLOY / "systemd" / "zonepulse-worker-secure.conf", folder / "secure.conf")
    name = unit.name.replace("@.", "@store.")
    if name != unit.name:
        (tmp_path / name).symlink_to(unit.name)
    judged("systemd-analyze", "verify", "--man=no", str(tmp_path / name))


def test_compose_starts_each_task_after_what_it_needs() -> None:
    services = COMPOSE["services"]
    assert {tuple(service.get("command", ())) for service in services.values()} >= {("worker", task) for task in TASKS}
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or source.startswith("${") or (DEPLOY / "docker" / source).exists(), volume
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), f"{name} is open to the network"
        if service.get("image") == "zonepulse":
            assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert (DEPLOY / "docker" / services["intervals"]["build"]["context"]).resolve() == ROOT


def test_compose_has_the_kafka_that_the_embedded_one_is() -> None:
    kafka = COMPOSE["services"]["kafka"]
    assert kafka["image"].endswith(re.findall(r"<kafka.version>(.*)</kafka.version>", deploy_text("pom.xml"))[0])
    ours = dict(
        line.split("=", 1) for line in deploy_text("server.properties").splitlines() if "=" in line and not line.startswith("#")
    )
    for name in ("auto.create.topics.enable", "offsets.retention.minutes", "transaction.max.timeout.ms"):
        assert kafka["environment"]["KAFKA_" + name.replace(".", "_").upper()] == ours[name]


def test_prometheus_takes_what_compose_gives_it(tmp_path: Path) -> None:
    for file in (DEPLOY / "docker" / "prometheus.yml", DEPLOY / "prometheus" / "zonepulse.rules.yml"):
        shutil.copy(file, tmp_path)
    judged("promtool", "check", "config", str(tmp_path / "prometheus.yml"))


def test_the_image_is_made_of_what_is_there() -> None:
    text = (DEPLOY / "docker" / "Dockerfile").read_text()
    for module in re.findall(r"from (zonepulse[\w.]+) import (\w+)", text):
        subprocess.run([sys.executable, "-c", f"from {module[0]} import {module[1]}"], check=True)
    assert text.rindex("USER 10001") > text.rindex("FROM ") and "--require-hashes" in text


def test_kubernetes_runs_each_task_as_its_own_user(resources: list[dict[str, Any]]) -> None:
    sets = of_kind(resources, "StatefulSet")
    assert set(sets) == set(TASKS)
    users = {user["metadata"]["name"]: user for user in yaml.safe_load_all(strimzi_users(roles("zp.").values()))}
    made = of_kind(resources, "KafkaUser")
    assert {name: user["spec"] for name, user in made.items()} == {name: user["spec"] for name, user in users.items()}
    for task, resource in sets.items():
        pod = resource["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        env = {one["name"]: one.get("value") for one in container["env"]}
        assert env["ZONEPULSE_BROKER_USER"] == task
        assert {"secretName": task} in [volume.get("secret") for volume in pod["volumes"]]
        assert pod["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]
    assert set(of_kind(resources, "PodDisruptionBudget")) == {name for name, one in sets.items() if one["spec"]["replicas"] > 1}


def test_kubernetes_refers_only_to_what_is_there(resources: list[dict[str, Any]]) -> None:
    made = {"zonepulse-store", "zonepulse-cluster-ca-cert"} | set(of_kind(resources, "KafkaUser"))
    for resource in resources:
        for secret in re.findall(r"secretName: (\S+)", yaml.safe_dump(resource)):
            assert secret in made, (resource["metadata"]["name"], secret)
    (scaled,) = of_kind(resources, "ScaledObject").values()
    target = scaled["spec"]["scaleTargetRef"]
    assert target["name"] in of_kind(resources, target["kind"])
    (trigger,) = scaled["spec"]["triggers"]
    task = TASKS["intervals"]
    assert (trigger["metadata"]["consumerGroup"], trigger["metadata"]["topic"]) == (task.group("zp."), *task.topics("zp."))


def test_prometheus_finds_the_services_in_kubernetes(resources: list[dict[str, Any]]) -> None:
    (monitor,) = of_kind(resources, "ServiceMonitor").values()
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    found = {
        name for name, service in of_kind(resources, "Service").items() if wanted <= service["metadata"].get("labels", {}).items()
    }
    assert found == of_kind(resources, "Service").keys() == {"workers", "board"}


def test_kubernetes_has_prometheus_rules(resources: list[dict[str, Any]]) -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "zonepulse.rules.yml").read_text())["groups"]
    assert of_kind(resources, "PrometheusRule")["zonepulse"]["spec"]["groups"] == rules


def test_nothing_but_what_is_named_talks_to_the_pods(resources: list[dict[str, Any]]) -> None:
    policies = of_kind(resources, "NetworkPolicy")
    nobody = policies["nobody"]["spec"]
    assert set(nobody["policyTypes"]) == {"Ingress", "Egress"} and not nobody.get("ingress") and not nobody.get("egress")
    (chosen,) = nobody["podSelector"]["matchExpressions"]
    ours = {
        r["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
        for r in resources
        if r["kind"] in ("StatefulSet", "Deployment", "Job")
    }
    assert ours == set(chosen["values"])


def test_the_readme_names_only_folders_that_are_there() -> None:
    for folder in re.findall(r"^\| `([a-z]+)/", (DEPLOY / "README.md").read_text(), re.M):
        assert (DEPLOY / folder).is_dir(), folder
