"""Alerts: identity, life cycle and the built-in rules. This text is the contract that the core and its oracle follow.

Identity
    `fingerprint` = first 16 hex digits of SHA-256 over the canonical JSON (sorted keys, no blanks, UTF-8) of the labels: `zone`, `rule`
    and those of `company`, `meter`, `register`, `carrier`, `basis` that the rule is about. One alert = (run, zone, fingerprint, starts_at).
    The ledger alone writes `zp.alerts`, under the identity as key. Intervals tasks send their transitions as candidates in their
    blocks; the ledger writes them with the tick that is their revision, as it applies rows: once all partitions have closed it.
Transitions
    A row is a transition: `raised`, `updated`, `resolved` or `acknowledged`. `revision` = the tick that made it. Of several
    transitions of one alert in one tick only the last is a row; an update of what that tick raised is still `raised`. `raised` has
    `ends_at` null unless said otherwise; `resolved` keeps the value and evidence it was raised with, but for its impact.
    `impact_kg`, and in the evidence `impact_kwh` and, where a tariff of electricity is valid at `starts_at`, `impact_cost` and `currency`,
    are what lies above a rule's bound since then, or beyond a detector's band: |beyond_micro|, in kg by the location factor of the
    register's carrier at `starts_at`. Rules and detectors say `updated` in a window that adds to it after which it is not 0 and at least
    twice what was said last: mg, or micro-kWh where carbon is not known; a detector counts its base units.
    `evidence` is canonical JSON. Columns that do not apply are '' or null. `node` is the site's node for rules about a meter.
Judging a window
    A rule judges each window of its subject once, in order of time, starting with the earliest window that has a row when
    the first is judged: at the first tick >= the window's due tick at which it is fully covered (covered_ms = length;
    zone: covered_ms = expected_ms), at the latest at the tick ceil((end + delay + length) / tick), and never before its
    predecessor. Later revisions raise and clear nothing. Windows without a row (no valid registration) are skipped.
    `n(d)` = max(1, ceil(d / length)) windows.

Meter rules (intervals stage; labels meter, register; `company` is filled but is no label; severity `warning`)
    silent_channel      n(3 x period) consecutive judged windows with covered_ms = 0. starts_at = start of the first. Resolved by a
                        judged window with coverage; ends_at = its start. evidence {"register": r, "windows": n}.
    stuck               a run of judged windows, fully covered, quality not `estimated`, with equal value_micro, reaches
                        max(6, 2 x longest run that ended before). Zero windows (value 0) raise only when more than one day of
                        windows (86,400,000 / length) has been judged by then. Windows that are not fully covered or partly
                        estimated leave the run as it is. A different value ends the run (and updates the longest, also when
                        it alerted) and resolves; ends_at = that window's start. starts_at = start of the run's first window;
                        `value` = the repeated value in base units; evidence {"register": r, "windows": run when raised}.
    impossible_value    a judged window holds a reading that was not booked: a `power` or `interval` value < 0 or > 1.2 x max_power.
                        An interval reading belongs to the window (start, end] that holds the end of its period, a power sample to
                        [start, end). Resolved by a judged window with coverage and no such reading; ends_at = its start. starts_at =
                        start of the window; `value` = the last such reading by ts, base units after the multiplier (energy of the
                        period for `interval`, base units per hour for `power`); evidence {"register": r, "readings": keys with one}, and
                        a "hint" for a negative power. A window that was judged before such a reading came (or changed) raises at the
                        tick that takes it, the earliest one of a tick, if nothing is raised.
    register_held       what a cumulative register showed last is not decided: a held reading, or one that waits for the next. Let R0 be
                        the last good reading of the tick's view, H the last pending one, w0 the first window that starts at or after
                        R0. Raised at the first due tick (of any window) >= w0's at which w0 starts before H and, if H waits, 1.5 periods
                        have passed since H: k x tick - H > 1.5 x period. starts_at = start of w0; `value` = H in base units. Resolved at
                        the first tick at which nothing pends or w0 is another; ends_at = R0 of that tick's view (its own starts_at if
                        the channel counts no more). evidence {"direction": "up" | "down", "from_micro": R0, "held_micro": H,
                        "mean_power_micro": floor(|H - R0| per hour), "register": r, "steps_above": accepted readings since R0 whose step
                        from the one before is more than max_power x max(time between, period)}.
                        silent_channel takes windows from R0 up to H as covered: a register that is held is not silent.
    series_restarted    a new series without a record in the registry: n_confirm held readings, or a roll-over after silence. Raised at
                        the first tick whose readings contain it. starts_at = ts of its first reading; `value` = what that shows, base
                        units. evidence {"from_micro": R0, "from_ts": its ts, "mean_power_micro": floor(|difference| per hour),
                        "register": r, "to_micro": first value} and "ratio" (new to old, "1/10") where it lies within 3 % of a power of
                        ten or of the multiplier. Resolved (ends_at = starts_at) at the tick in which a meter change, or other readings,
                        replace it, while the reading that decided it is no older than lateness + max(boundary_tolerance, 2 windows +
                        delay + 2 ticks); else it stays until it is acknowledged.
    gap_too_long        a segment or reset that begins more than max_gap before the reading that decides it, at the first tick whose
                        readings contain it. starts_at = its begin, ends_at = its end, `value` = its advance in base units; evidence
                        {"energy_micro": e, "max_gap_ms": g, "register": r}. It stays raised: a replay with a larger max_gap books it.
Detectors (intervals stage; labels meter, register; severity `info` of record, `critical` of reverse_flow, wrong_unit, wrong_ct, else
    `warning`)
    unusual, level_shift, night_use, zero_run, reverse_flow, off_hours, record, wrong_unit, wrong_ct
                        judge, on the channel's own history (docs/detection.md), each judged window that is fully covered and not
                        `estimated`, as it is when its turn comes; nothing else teaches them. Values are base units, those of an `export`
                        register with the sign turned. Hour of the week and day are those of the zone's clock; in `zone.calendar` a
                        holiday is as a Sunday, a workday at a weekend as a Friday. Which may speak says the version valid at the
                        window's start; `stuck` counts for what is learned, and the rule about meters tells it.
                        Of a register whose period is longer than a window a stretch is judged as one: on the zone's clock, from the
                        register's `offset`, the shortest part of a day that is whole windows and no shorter than the period; of one
                        longer than a day nothing is. Each of its windows is taken, in order, at the first tick from its due tick on at
                        which it is fully covered by what the register measured: not by a segment longer than 1.5 periods, nor of a
                        reading that waited, nor across a swap or a reset, nor estimated or given by somebody. One that is covered later
                        than a window behind it is never taken. A stretch is judged with its last window if all and no more than its
                        length were taken, and its version is valid from its start on; evidence also {"length_s": its length}. Where
                        the length changes, the history begins anew, and what was raised is resolved.
                        A channel says one thing at a time: of those that begin to fire at one window the first of reverse_flow,
                        wrong_unit, wrong_ct, zero_run, off_hours, night_use, level_shift, unusual, record is raised, starts_at = start of
                        the window. One that begins later is raised only where it is of a graver severity; the first is then resolved
                        before it. Resolved by a judged window at which none fires that may speak, or none may; ends_at = its start.
                        `value`, `expected_low`,
                        `expected_high` (null where the hour is unknown) and evidence are those of the window that raised it: {"score":
                        times its limit, "windows": measured windows the baseline had seen, "register": r, "beyond_micro": what was
                        counted above (+) or below (-) the expected band since, of level_shift, night_use and zero_run the middle of the
                        band}; only the last goes on until it is resolved.
Ledger rules
    no_factor           labels company, carrier; severity `critical`. An emissions row with energy and without a factor. starts_at = start
                        of the earliest such row in the tick that raised it. Resolved at the first later tick that has an emissions
                        row with factor and start > starts_at; ends_at = the earliest such start. evidence {"carrier": c}. For the
                        market basis likewise, label and evidence also `basis`, over the rows of what no contract covers.
    flow_residual       no label; severity `warning`. A window's network solve left over more than 1 g and a millionth of its sources'
                        carbon, judged where its `residual` row changed. Resolved by a later window (by start) within the bound.
                        evidence {"residual_mg": r, "source_mg": s}.
    unexplained_energy  label node; severity `warning`. A judged window in which more than 5 % of the larger of a node's inflow and outflow
                        is missing from its inflow: 20 x missing > larger, missing = -`imbalance`. Covered is judged by the node's
                        imbalance row; a window that is not covered in time, or whose imbalance is null, keeps the state. Resolved by a
                        judged window that explains its energy; ends_at = its start. `value` = what is missing, kWh; evidence
                        {"inflow_micro": i, "node": n, "outflow_micro": o}.
    sub_above_main      label meter; severity `warning`. Of a meter that `sub` meters name as parent, by counting registers of
                        electricity; not where it also counts what leaves (export, charge), or on whose site a generation,
                        production or storage meter counts. A judged window takes what main and subs counted, import + consumption
                        + generation + discharge - export - charge; covered is what all those registered then cover; a window that
                        is not covered in time, or in which only main or only subs are registered, keeps the state. E = max(0, E +
                        50 x (subs - main) - |main| - |subs|): what the subs have above both errors of 2 % (class 2 of IEC
                        62053-21:2020). n(24h) windows in a row with E > 0 -> raised, starts_at = start of the first; E begins anew
                        with the sign turned, and so the alert is resolved, ends_at = start of the first of those. `value` = subs -
                        main in the windows that raised it, kWh; evidence {"main_micro": m, "sub_micro": s, "windows": n}.
    pv_low              labels meter, register; severity `warning`. Of generation registers of electricity with `kwp`, all those of the zone
                        together, day by day of its calendar. A window of the group is judged as others are, covered by all those that
                        are registered. A register's yield is the sum over the day's windows in which it is covered of
                        floor(1000 x micro-kWh / W), W = 1000 kwp by the version valid at the window's start, else its first. A window is
                        lit where the value of one is above 0; a yield is known where its register is covered in three quarters of the
                        day's lit windows, one or more. With two or more other known yields, and u, their (n - 1) // 2-th of n, of at
                        least 1 kWh per kWp, the day tells of the register: low is yield < 3/5 u, meagre is yield < 4/5 u. Told at the
                        tick of the group's first window of a later day. The third day in a row that is low, or the seventh that is
                        meagre, among those that tell, raises; starts_at = begin of the first of them. Resolved by a day that is not
                        meagre; ends_at = its begin. `value` = yield, kWh per kWp, expected_low = 4/5 u, of the day that raised it;
                        evidence {"days": d, "missing_micro": sum over them of floor((u - yield) x W / 1000), "register": r, "share":
                        yield / u}, and as impact the missing energy in kWh and, by tariff, in money.
    budget_burn         label budget; `company` is filled but is no label; severity `warning`. Once a day of the zone's calendar, at the
                        tick in which its last window is due (never again: later revisions raise and clear nothing), every budget in
                        whose period the day lies and whose entity has a row in it takes what was used that day: the electricity used
                        (kWh), or what is known of the sums of scope 1 and of scope 2 on its basis (kgCO2e). A day without a row makes
                        those before it unknown. The rate over n days is what they used per time, over amount per length of the
                        period, of the last n days or, near the period's begin, all since then; it is unknown where one of them is, or
                        was before the budget came. fast: n = 1 (a year's budget 7), slow: 7 (30). Both above 1 -> raised, starts_at =
                        the day's begin; not both -> resolved, ends_at = the day's begin; one unknown keeps the state. On the period's
                        last day nothing is raised, and what is raised is resolved, ends_at = its end. `value` = fast, expected_high =
                        1; evidence {"amount": a, "budget": b, "fast": f, "period": p, "slow": s, "spent_micro": since the period
                        began or null, "unit": u}, of kgCO2e also {"basis": b}.
    rules of the registry   on the zone, or (label of their scope) company, site, node, meter, or meter and register. `n(for)`
                        consecutive judged windows breach -> raised, starts_at = start of the first, `value` = that of the window that
                        raised it, expected_high = above, expected_low = below. Clear = the `clear` bound holds (default: no breach).
                        `n(keep_firing)` consecutive clear windows -> resolved; ends_at = start of the first of them. A window whose
                        value is null, or that begins outside the rule's calendar, keeps the state and both counts. A window that
                        neither breaches nor clears resets both counts. evidence {"indicator": i}, and "site" or "register" where the
                        rule is on one. Judged per window as schemas/rules/scopes.py says, which also has the indicators: covered is
                        what the row, or the rows of all channels that are registered then, cover; where there is no such row, nothing
                        is judged. Company and node of an alert are those of its meter, or site, at starts_at.
                        A change compares the value of the window less the one that the window `against` before had when it was
                        judged, or 100 x that difference / |the earlier one|; null where either is, or the earlier one of a
                        percentage is 0. evidence also {"against_ms": a, "before": b, "change": "absolute" | "percent", "now": n}.
                        An expression (schemas/rules/expressions.py) has no value and no band; its window breaches where it is true,
                        and clears where it is false and `clear`, if there is one, is true. evidence {"expr": e, "values": {i: v}} with
                        the indicators of the window that raised it.
Inhibition, tick by tick, from what the rules propose to what the life cycle takes; one cause, one alert
    silence             A group is the channels of one gateway and company, of one site, or of the zone, each where its meter's last
                        version is; none of one channel, and of groups of the same channels the first of these. In a tick that raises or
                        resolves a `silent_channel` of it, a group is silent where two or more of its channels are registered at the
                        tick's end and all those have one open. Then silent_gateway (labels company, gateway), silent_site (label site)
                        or silent_zone (no label; severity `critical`) is raised, starts_at = the latest of its channels' starts;
                        evidence {"channels": c, "gateway" | "site": g}. Resolved when it is silent no more; ends_at = the earliest at
                        which that tick says a channel of it was heard, else the tick's end. `company` (if all have one) and `node` are
                        those of gateway and site.
    waiting             A `silent_channel` of a channel with a group is not said before w ticks have passed since it was proposed, the
                        alert of a group not before the longest w of its channels has; w = ceil(max(window, longest period of the
                        channel's versions) / tick). It is said in the first tick from then on in which nothing inhibits it, with that as
                        revision; what is resolved before is never said.
    what inhibits       A silent group, and for its longest w from the tick on in which it is heard again: the channels it holds, and the
                        smaller groups whose channels it all holds. An open `register_held`: the channel's detectors. An open
                        `zero_run`: the channel's `stuck`. What was said before goes on as it was.
    given up            Behind a registry version that does not have a rule, what it is on, or a group any more, its alert is resolved in
                        the next tick; ends_at = the end of the tick before.
Life cycle, tick by tick, from what is proposed to what is said; an alert is said at most once a tick, as it is then
    damping             after three transitions (raised, resolved) of a fingerprint within an hour, a resolution is held back: the alert
                        fires on, whatever is proposed, until an hour has passed since the last transition proposed and that was a
                        resolution. It is said then, with that one's ends_at; evidence also {"swallowed": transitions not said}. Not
                        of series_restarted and gap_too_long, which are events.
    acknowledge, snooze, comment   commands on an alert that fires, at their tick, after its transitions. evidence from then on also
                        "acknowledged" {"at_ms": tick's end, "by": w, "why": y}, "snoozed" the same and "until_ms", "comments" a list of
                        the last 20. What is acknowledged has that state in each row until its severity changes or it is resolved.
    maintenance         of the ticks before: an alert that begins while a target matches (rule, company, meter, node, severity; site and
                        gateway of its meter, or as its evidence has them; all that are written) and that ends later says
                        {"maintenance_until_ms": the latest end}. It is said all the same; who is told is notification's.
Pipeline alerts (prefix `ops_`) follow the wall clock and are no part of the ledger.
"""

import hashlib
from collections.abc import Mapping
from typing import Final, Literal, get_args

from zonepulse.schemas.values import canonical_json

State = Literal["raised", "updated", "resolved", "acknowledged"]
STATES: Final = get_args(State)
EVENTS: Final = ("series_restarted", "gap_too_long")
"""Rules whose alerts are events: several of a fingerprint may be open."""
PIPELINE_RULES: Final = (
    "ops_no_data", "ops_poison", "ops_readings_lost", "ops_registry_missing", "ops_replay_differs", "ops_row_too_old", "ops_sum_refused",
    "ops_task_gone", "ops_undelivered",
)  # fmt: skip
"""About the pipeline; each has a page of what to do in deploy/runbooks."""
SILENT: Final = "silent_channel"
SILENT_GROUPS: Final = ("silent_gateway", "silent_site", "silent_zone")
"""Of the channels that share a gateway, a site, or nothing but the zone."""
CHANNEL_DETECTORS: Final = (
    "unusual", "level_shift", "night_use", "zero_run", "reverse_flow", "off_hours", "record", "wrong_unit", "wrong_ct",
)  # fmt: skip
INHIBITS: Final[Mapping[str, tuple[str, ...]]] = {"register_held": CHANNEL_DETECTORS, "zero_run": ("stuck",)}
"""Rule -> the rules that are not said of a channel while its own alert is open."""


def alert_key(fingerprint: str, starts_at: int) -> bytes:
    """Key of an alert on `zp.alerts`: its identity there."""
    return f"{fingerprint}/{starts_at}".encode()


def fingerprint(labels: Mapping[str, str]) -> str:
    """16 hex digits that identify an alert by its labels (annotations are not part of it, as in Prometheus' model)."""
    return hashlib.sha256(canonical_json(labels).encode()).hexdigest()[:16]
