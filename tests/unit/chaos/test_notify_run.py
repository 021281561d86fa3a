"""Chaos for notification counts what it should: nothing is counted as delivered that no receiver took."""

from zonepulse.schemas.messages.alerts import alert_key
from zonepulse.schemas.registry.subscribers import SUBSCRIBERS
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.chaos.notify_run import PEOPLE, counted, planned_alerts, zone_yaml


def everything(plan: list) -> tuple[dict, set]:  # type: ignore[type-arg]
    """What receivers and log hold where all went well."""
    got: dict[str, list[dict[str, str]]] = {}
    told = set()
    for n, (_, row) in enumerate(plan):
        for name, company in PEOPLE.items():
            if company in ("", row["company"]):
                got.setdefault(name, []).append({"key": f"{name}{n}"})
                told.add((name, alert_key(row["fingerprint"], row["starts_at"]).decode(), row["state"], f"{name}{n}"))
    return got, told


def test_all_that_was_told_is_no_loss_and_what_is_missing_is_one() -> None:
    plan = planned_alerts(5, 40)
    assert plan == planned_alerts(5, 40) != planned_alerts(6, 40)
    got, told = everything(plan)
    assert counted(plan, got, told) | {"alerts": 40, "lost": 0, "doubled": 0, "leaked": 0} == counted(plan, got, told)
    one = got["desk"].pop()
    assert counted(plan, got, told)["lost"] == 1, "the log says sent, and no receiver has it"
    got["desk"] += [one, one]
    assert counted(plan, got, told)["doubled"] == 1
    got["birch-1"].append({"key": "x", "text": "acorn-M1 is silent"})
    assert counted(plan, got, told)["leaked"] == 1


def test_its_zone_is_valid_and_has_its_people() -> None:
    registry = parse_zone(zone_yaml())
    assert [s["id"] for s in registry.extra[SUBSCRIBERS.name]] == list(PEOPLE)
