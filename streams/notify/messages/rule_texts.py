"""What each rule is called, and what to do about it: English texts, which are the keys of the catalogues."""

from typing import Final

from zonepulse.processors.detection.meter.rules import RULES

RULE_TEXTS: Final[dict[str, tuple[str, str]]] = {
    **{rule.id: (rule.title["en"], rule.advice["en"]) for rule in RULES},
    "silent_gateway": ("Gateway is silent", "Not one of its meters reports. Look at the gateway's power supply and network."),
    "silent_site": ("Site is silent", "Not one meter of the site reports. Look at its power supply and network."),
    "silent_zone": (
        "Zone is silent",
        "Not one meter of the zone reports. Look at the network between the gateways and Kafka.",
    ),
    "no_factor": (
        "No emission factor",
        "Energy is counted, but its emissions are not: no factor is valid. Add one to zone.yaml and apply it.",
    ),
    "flow_residual": ("Carbon left over", "The network's carbon does not add up. Check edges and meters of the network."),
    "unexplained_energy": (
        "Unexplained energy",
        "More energy leaves the node than comes in. A meter may be missing, wired wrongly or scaled wrongly.",
    ),
    "unusual": (
        "Unusual value",
        "The value lies outside of what this hour of the week usually shows. Ask what ran differently.",
    ),
    "level_shift": ("New level", "Consumption moved to another level and stays there."),
    "night_use": ("Use at night", "The base load at night or on closed days creeps up. Look for what was left on, or leaks."),
    "zero_run": (
        "Zero for long",
        "The value is zero for longer than ever before. Look whether the load or the measurement is off.",
    ),
    "reverse_flow": ("Reverse flow", "Energy flows in a direction never seen here. Check wiring and phase order."),
    "off_hours": ("Outside of hours", "Energy is used at hours at which nothing ran before."),
    "record": ("New record", "The value has never been so far from what was seen before."),
    "power_factor": ("Low power factor", "Reactive power is high. Check the compensation."),
    "pv_low": ("PV yields little", "The plant yields less than its neighbours. Look for shading, dirt or a failed string."),
    "sub_above_main": ("Parts exceed the whole", "Sub meters count more than their main meter. Check multipliers and wiring."),
    "clock_drift": ("Clock drifts", "The meter's clock moves away from ours. Set its time source."),
    "wrong_unit": ("Wrong unit", "The level is off by a power of ten. Check the unit."),
    "wrong_ct": ("Wrong transformer", "The level is off by a transformer step. Check CT ratio and phases."),
    "flapping": ("Flapping", "The alert comes and goes. It is quiet until it settles."),
    "budget_burn": ("Budget burns fast", "At this pace the budget ends early."),
    "ops_no_data": ("No data at all", "Not one meter reports. Look at the gateways' network and at Kafka."),
    "ops_poison": (
        "Records were set aside",
        "A record could not be handled and is a dead letter; `zonepulse deadletters list` shows it.",
    ),
    "ops_readings_lost": (
        "Readings were lost",
        "Kafka deleted readings before they were read. Raise its retention, and send them again.",
    ),
    "ops_registry_missing": (
        "A registry version is missing",
        "A partition waits for it. Publish the zone.yaml of that version again.",
    ),
    "ops_replay_differs": (
        "A replay differs",
        "A past hour computed again has not the rows that stand. `zonepulse replay diff live RUN` shows them and why.",
    ),
    "ops_row_too_old": (
        "Rows came too late to be booked",
        "They belong to windows that the ledger has left behind. A replay of the stretch books them.",
    ),
    "ops_sum_refused": (
        "A row was too large to be summed",
        "It is above what its register can measure. Check max_power and multiplier in zone.yaml.",
    ),
    "ops_task_gone": ("A task has no worker", "Its workers are all gone: start one, or see `zonepulse doctor`."),
    "ops_undelivered": (
        "A message could not be delivered",
        "Nothing reached this subscriber for a day. Check the address or channel.",
    ),
}
OF_THE_REGISTRY: Final = ("Limit passed", "A limit that your zone's rules set was passed.")
OF_THE_PIPELINE: Final = ("Something about the pipeline", "`zonepulse doctor` says more.")
OTHER: Final = ("Alert", "See its evidence on the board.")
SEVERITY_TEXTS: Final = {"critical": "Critical", "warning": "Warning", "info": "Info"}
SEVERITY_MARKS: Final = {"critical": "▲", "warning": "●", "info": "○"}
"""Shapes, so that nothing is told by colour alone."""
RESOLVED_MARK: Final = "✓"
UNITS: Final = {"g_per_kwh": "g/kWh", "co2e_kg": "kg CO2e", "energy_kwh": "kWh", "power_kw": "kW"}
"""Of the indicators that rules of the registry judge."""
