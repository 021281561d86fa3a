"""`zonepulse migrate`: the tables of a ClickHouse of one's own; `zonepulse up` does it by itself."""

from zonepulse.streams import servers
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.screen import JsonOption, print_json, say


def migrate(json: JsonOption = False) -> None:
    """Apply the migrations that the store has not, as a user who may create databases and tables."""
    with servers.store_client(servers.settings(), "default") as client:
        applied = migrations.apply(client)
    if json:
        print_json({"applied": applied})
    else:
        say(*([f"applied: {name}" for name in applied] or ["the store is up to date"]))
