"""The bases of carbon accounting and the rows that each one has. This text is the contract that the core and its oracle follow.

Integers unless said: energy in micro-kWh, carbon in mg CO2e; `//` is floor division. co2e(v, f) = (v f + 500,000) // 1,000,000 with f
in mg a base unit. An interval row of a window is `covered` if covered_ms > 0.

Manual entries (basis location, scope 1)
    An entry counts for its company in the one window that holds `at`: value as entered, fully covered, at the window's due tick, before
    the rows of channels. Its emissions row has meter '' and register = the entry's id; totals as of any carrier that bears emissions.
Settling
    Window w settles at tick S = ceil((end + max(lateness, delay)) / tick): rows with revision <= S are in it. At tick k the current
    window is the first with S >= k. Open windows are chained in order of time, beginning from what the settled ones left.

market (electricity; heat and steam as by location)
    For a company with electricity import where a `market_residual` factor exists at any time, or a contract; for the zone where any
    company has. Of a window's import each contract that is valid at its start takes, ordered by (valid_to, id), min(what is left of the
    import, what the contract has): a volume what earlier windows left of it, an hourly contract the window's part of its profile. In a
    settled window a volume keeps what it took, at most the import. The rest takes the residual factor (company, then factor_regions;
    basis `market_residual` only).
    emissions   one row a contract (register = its id, factor_id = its id, rung `contract`), one for the rest (register '').
    totals      company: (contract:<id>, 2), (electricity, 2), ('', 2) with heat and steam; zone: (electricity, 2), ('', 2). The zone's
                import less all that was matched takes the zone's residual factor. Rows exist where those by location do, a company's in
                windows at whose start an electricity import of it is registered.
    intensity   node '': as by location, with the zone's market co2e of what is drawn.

nodal (a view of where carbon goes, no inventory: fuel of a generator with `ef` is booked in scope 1 as well)
    Flows: each edge forward (`import` registers) and back (`export`): sent at one end, received at the other; an end without meter or
    without coverage is taken from the other end. Registered and nowhere covered: unknown.
    Injections: grid import at the zone's location factor, generation at its `ef`, discharge of storages, and what a company at a node
    generates without a register (use below 0), which carries no carbon.
    Leaving a node, in this order: flows forward, flows back (each what arrives, then what is lost), loads by company, charges, exports,
    imbalance = what came in less all of these (may be negative).
    Node i with T micro-kWh and C mg coming in: item j gets C cum_j // T - C cum_(j-1) // T. In a loop (strongly connected nodes) T_i
    x_i = b_i + sum of recv x_j is solved, X = rint(x Q) with Q = 1,024,000,000 (x in mg a micro-kWh), items are shared by X weight // Q
    cumulatively, and what is left over goes to the largest: the residual.
    Unknown is a node with an unknown injection or in-flow, one fed by an unknown node, one with nothing coming in and something
    leaving, and a loop with nothing from outside. Carbon of what leaves it is null; what came into it is `untraced`. So is, at the
    sender that is known, half the loss of an edge that lost in both directions: its row is null.
    Storage, in a window: discharge from what it held (average, or fifo lots), what is left below 1 Wh is written off, charge times
    efficiency, adjustment. Energy beyond what it held carries no carbon. A settled window's discharge is valued as when it settled;
    what it would have left more or less is the adjustment of the current window.
    In every window: carbon of source + unmetered = load + loss of edges + charge + export + imbalance + untraced.
    intensity   a row a node: energy T, co2e C.
    totals      carrier electricity, scope 0, by entity_kind: `source`, `export`, `charge`, `storage` (what it holds after the window),
                `storage_adjustment`, `loss` (edge; storage: written off), `flow`, `flow_back` (edge: what arrives), `load`,
                `imbalance`, `untraced` (node), `unmetered` (company@node), `residual` (zone). Companies: (electricity, 2), and ('', 2)
                with heat and steam.
"""

from typing import Final

BASES: Final = ("", "location", "market", "nodal")
ENTITY_KINDS: Final = (
    "company", "zone", "unaccounted", "source", "unmetered", "export", "charge", "storage", "storage_adjustment", "flow", "flow_back",
    "loss", "load", "imbalance", "untraced", "residual",
)  # fmt: skip
STOCKS: Final = ("storage",)
"""Entity kinds whose rows say what is held at a window's end: no sum over time."""
