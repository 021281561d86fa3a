"""`zonepulse migrate`: the tables of a ClickHouse of one's own; `zonepulse up` does it by itself."""

from functools import partial
from typing import Annotated

import typer

from zonepulse.streams import servers
from zonepulse.streams.clickhouse import migrations
from zonepulse.streams.clickhouse.cluster_ddl import on_cluster
from zonepulse.streams.screen import JsonOption, print_json, say


def migrate(
    cluster: Annotated[
        str, typer.Option(metavar="NAME", help="Of system.clusters, one shard: each table with a copy on every replica.")
    ] = "",
    show: Annotated[bool, typer.Option("--print", help="Say every statement of a new store, and ask no server.")] = False,
    json: JsonOption = False,
) -> None:
    """Apply the migrations that the store has not, as a user who may create databases and tables."""
    form = partial(on_cluster, cluster=cluster) if cluster else str
    if show:
        statements = migrations.every_statement(form)
        print_json({"statements": statements}) if json else say(*(f"{statement};\n" for statement in statements))
        return
    with servers.store_client(servers.settings(), "default") as client:
        applied = migrations.apply(client, form=form)
    if json:
        print_json({"applied": applied})
    else:
        say(*([f"applied: {name}" for name in applied] or ["the store is up to date"]))
