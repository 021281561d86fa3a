#!/bin/bash
# Tries on real servers what cannot be tried where zonepulse is made: replicas, and users as they come.
#   CLUSTER=zonepulse REPLICAS="ch-1 ch-2" ./qualify.sh
# Needs clickhouse-client, zonepulse, the users of zonepulse.xml with their passwords in ZP_MIGRATE_PASSWORD, ZP_STORE_PASSWORD,
# ZP_REPLAY_PASSWORD and ZP_DASHBOARDS_PASSWORD, and ZONEPULSE_CLICKHOUSE_HOST for migrate. It leaves one row, of a zone called `qualify`,
# in the table `runs`.
set -euo pipefail
: "${CLUSTER:?the name in system.clusters}" "${REPLICAS:?its hosts}"
read -r first _ <<<"$REPLICAS"
token="q$(date +%s)"

ask() { # HOST USER STATEMENT
  local password="ZP_${2^^}_PASSWORD"
  CLICKHOUSE_PASSWORD="${!password}" clickhouse-client --host "$1" --user "$2" --query "$3"
}
fail() { echo "FAILED: $*" >&2; exit 1; }
refused() { # HOST USER STATEMENT
  ! ask "$@" >/dev/null 2>"$errors" || fail "$2 may: $3"
  grep -q ACCESS_DENIED "$errors" || fail "$2, for another reason than rights: $3: $(cat "$errors")"
}
errors="$(mktemp)"
trap 'rm -f "$errors"' EXIT

ZONEPULSE_CLICKHOUSE_USER=migrate ZONEPULSE_CLICKHOUSE_PASSWORD="$ZP_MIGRATE_PASSWORD" zonepulse migrate --cluster "$CLUSTER"
tables="SELECT groupArray(name) FROM (SELECT name FROM system.tables WHERE database = 'zonepulse' ORDER BY name)"
for host in $REPLICAS; do
  [ "$(ask "$host" migrate "$tables")" = "$(ask "$first" migrate "$tables")" ] || fail "$host has other tables than $first"
done
plain="SELECT count() FROM system.tables WHERE database = 'zonepulse' AND engine LIKE '%MergeTree' AND engine NOT LIKE 'Replicated%'"
[ "$(ask "$first" migrate "$plain")" = 0 ] || fail "tables without copies"

refused "$first" dashboards "INSERT INTO zonepulse.runs (run, zone) VALUES ('$token', 'qualify')"
refused "$first" store "DROP TABLE zonepulse.totals"
refused "$first" store "INSERT INTO zonepulse.promotions (zone, run) VALUES ('qualify', '$token')"
ask "$first" replay "INSERT INTO zonepulse.runs (run, zone) SETTINGS insert_quorum = 'auto' VALUES ('$token', 'qualify')"
for host in $REPLICAS; do
  for _ in {1..30}; do
    copies="$(ask "$host" dashboards "SELECT count() FROM zonepulse.runs WHERE run = '$token'")"
    [ "$copies" = 1 ] && break
    sleep 1
  done
  [ "$copies" = 1 ] || fail "$host has no copy of a row after 30 s"
done
quota="SELECT max_queries FROM system.quota_usage LIMIT 1"
[ "$(ask "$first" dashboards "$quota")" = 1200 ] || fail "the quota of dashboards does not count"
echo "qualified: $CLUSTER, $REPLICAS"
