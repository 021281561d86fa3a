"""The bench's result as tables."""

from typing import Any

from zonepulse.streams.screen import count, print_facts, print_table


def print_report(found: dict[str, Any]) -> None:
    """Everything that `zonepulse bench ingest --json` holds, for people."""
    machine = found["machine"]
    print_facts(
        [
            ("machine", f"{machine['cpu']}, {machine['cores']} cores, {machine['ram_gb']} GB, {machine['system']}"),
            ("shared by", "broker, store and workers, all on this machine"),
        ]
    )
    if detectors := found.get("detectors"):
        rates = {name: ", ".join(count(round(rate)) for rate in each) for name, each in detectors["readings_per_s"].items()}
        facts = [("readings/s, detectors on", rates["on"]), ("detectors off", rates["off"]), ("lost", f"{detectors['loss']:.1%}")]
        print_facts([("form", detectors["form"]), *facts, ("lost by CPU", f"{detectors['cpu_loss']:.1%}")])
        return
    _print_forms(found)
    _print_baselines(found)
    if found["latency"]:
        _print_latency(found["latency"])


def _print_forms(found: dict[str, Any]) -> None:
    columns = ("form", "channels", "to", "readings/s", "rows/s", "CPU s/M readings", "memory MB")
    rows = []
    for name, form in found["forms"].items():
        rows += [_line(name, found["options"]["channels"], goal, form[goal]) for goal in ("to_blocks", "to_rows")]
    rows += [_line(name, found["options"]["many_channels"], "to_blocks", one) for name, one in found["many_channels"].items()]
    print_table(columns, rows, title="one worker a task", right=columns[3:])


def _line(form: str, channels: int, goal: str, one: dict[str, Any]) -> tuple[object, ...]:
    cpu = " + ".join(f"{used:.2f}" for used in one["cpu_s_per_million"].values())
    memory = " + ".join(f"{used:.0f}" for used in one["memory_mb"].values())
    rows = count(round(one["rows_per_s"])) if "rows_per_s" in one else None
    return form, count(channels), goal.replace("_", " "), count(round(one["readings_per_s"])), rows, cpu, memory


def _print_baselines(found: dict[str, Any]) -> None:
    columns = ("on the same topic", "readings/s", "CPU s/M readings", "we, to blocks")
    rows = []
    for name, one in found["baselines"].items():
        client, _, form = name.rpartition("_")
        ratio = found["ratios"].get(f"{form}_over_{client}")
        cpu = f"{one['cpu_s_per_million']:.2f}"
        rows.append((name.replace("_", " "), count(round(one["readings_per_s"])), cpu, ratio and f"{ratio:.2f} times"))
    print_table(columns, rows, title="baselines", right=columns[1:])
    if state := next((one["state_bytes_a_channel"] for one in found["baselines"].values() if "state_bytes_a_channel" in one), None):
        print_facts([("state", f"{state:,.0f} bytes a channel")])


def _print_latency(latency: dict[str, Any]) -> None:
    columns = ("rows", "samples", "p50 ms", "p99 ms")
    rows = [
        (table, latency[table]["samples"], *(_ms(latency[table][p]) for p in ("p50_ms", "p99_ms")))
        for table in ("intervals", "intensity")
    ]
    print_table(
        columns, rows, title=f"from sending to visible rows, at {latency['readings_per_s']:,.0f} readings/s", right=columns[1:]
    )


def _ms(value: float | None) -> str | None:
    return None if value is None else f"{value:,.0f}"
