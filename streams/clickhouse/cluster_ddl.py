"""The migrations' statements for a cluster of ClickHouse: the same tables, a copy on every replica of its one shard.

One shard, since every revision of a row must meet on one server to be the newest, and views read several tables at once. Where two copies
live is Keeper's: `{shard}` and `{replica}` are the servers' own macros.
"""

import re
from typing import Final

_HEAD: Final = re.compile(
    r"CREATE DATABASE IF NOT EXISTS \w+|CREATE TABLE IF NOT EXISTS (?P<table>[\w.]+)"
    r"|CREATE (OR REPLACE )?VIEW (IF NOT EXISTS )?[\w.]+|ALTER TABLE [\w.]+"
)
_ENGINE: Final = re.compile(r"ENGINE = (?P<kind>(Replacing)?MergeTree)(\((?P<version>\w+)\))?")
_NAME: Final = re.compile(r"[A-Za-z_][\w-]*")


class BadCluster(ValueError):
    """A name that no cluster has, or a statement of no known form."""


def on_cluster(statement: str, cluster: str) -> str:
    """The statement for every server of `cluster`, its table with copies. Raises BadCluster."""
    if not _NAME.fullmatch(cluster):
        raise BadCluster(f"--cluster is {cluster[:100]!r}: name one of system.clusters")
    head = _HEAD.match(statement)
    if head is None:
        raise BadCluster(f"no form for a cluster is known of: {statement[:100]}")
    text = f"{head[0]} ON CLUSTER '{cluster}'{statement[head.end() :]}"
    if head["table"] is None:
        return text
    engine = _ENGINE.search(text)
    if engine is None:
        raise BadCluster(f"no engine with copies is known for: {statement[:100]}")
    place = f"'/clickhouse/tables/{{shard}}/{head['table'].replace('.', '/')}', '{{replica}}'"
    version = f", {engine['version']}" if engine["version"] else ""
    return f"{text[: engine.start()]}ENGINE = Replicated{engine['kind']}({place}{version}){text[engine.end() :]}"
