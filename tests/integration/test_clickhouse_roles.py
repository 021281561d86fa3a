"""What each role of deploy/clickhouse-server may do: the engine is given every statement as that role, and README's table says the same."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from zonepulse.schemas.tables.ddl import INDICATORS, REGISTRY_METERS
from zonepulse.schemas.tables.results import DELIVERIES, FINAL_TABLES, TABLES
from zonepulse.streams.clickhouse.migrations import every_statement

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
ACCESS = ROOT / "deploy" / "clickhouse-server" / "zonepulse.xml"
DEFAULT = """
    <default>
      <no_password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
      <grants><query>GRANT everything</query>{roles}</grants>
    </default>
"""
EVERYTHING = "<everything><grants><query>GRANT ALL ON *.*</query></grants></everything>"
ASK = """
import json, sys
from chdb.state.sqlitelike import Connection
made, roles, statements, script = json.load(sys.stdin)
with Connection(sys.argv[1]) as c:
    def ask(sql):
        try:
            c.query(sql, "TSV")
            return "done"
        except Exception as error:
            return "refused" if "ACCESS_DENIED" in str(error) else str(error)[:500]
    c.query("SET ROLE zonepulse_migrate")
    for sql in made:
        c.query(sql)
    told = {}
    for role in roles:
        c.query(f"SET ROLE {role}")
        told[role] = [[ask(sql) for sql in some] for some in statements]
    c.query("SET ROLE everything")
    for sql in script:
        c.query(f"EXPLAIN AST {sql}")
    users = c.query("SELECT name FROM system.users ORDER BY name", "TSVRaw").bytes().decode().split()
    quotas = c.query("SELECT name FROM system.quotas ORDER BY name", "TSVRaw").bytes().decode().split()
print(json.dumps([told, users, quotas]))
"""
ROW = re.compile(r"^\| `(zonepulse_[a-z]+)`[^|]* \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", re.M)


def inserts(*names: str) -> list[str]:
    return [f"INSERT INTO zonepulse.{name} SELECT * FROM zonepulse.{name} WHERE 0" for name in names]


def deletes(*names: str) -> list[str]:
    return [f"ALTER TABLE zonepulse.{name} DELETE WHERE 0 SETTINGS mutations_sync = 1" for name in names]


ACTIONS = {
    "read": ["SELECT count() FROM zonepulse.totals_final", f"SELECT count() FROM zonepulse.{DELIVERIES.name}"],
    "results": inserts(*TABLES, INDICATORS.name, REGISTRY_METERS.name),
    "a run": inserts(*FINAL_TABLES, "followed", "runs", "promotions"),
    "a run's rows": deletes(*FINAL_TABLES, "followed"),
    "deliveries": deletes(DELIVERIES.name),
    "how long deliveries are kept": [f"ALTER TABLE zonepulse.deliveries MODIFY TTL toDateTime({DELIVERIES.time}) + INTERVAL 400 DAY"],
    "tables": [
        "CREATE TABLE IF NOT EXISTS zonepulse.totals (a Int64) ENGINE = MergeTree ORDER BY a",
        "CREATE OR REPLACE VIEW zonepulse.of_a_test AS SELECT count() AS n FROM zonepulse.totals",
        "ALTER TABLE zonepulse.totals ADD COLUMN IF NOT EXISTS run String",
        *inserts("schema_migrations"),
    ],
    "nobody's": [
        "DROP TABLE zonepulse.totals", "TRUNCATE TABLE zonepulse.totals", "ALTER TABLE zonepulse.totals DROP COLUMN zone",
        "SELECT * FROM file('x.csv', 'CSV', 'a String')", "SELECT * FROM url('http://127.0.0.1:1/x', 'CSV', 'a String')",
        "CREATE USER x", "GRANT SELECT ON zonepulse.* TO dashboards", "SYSTEM FLUSH LOGS", "CREATE DATABASE other",
        *deletes("runs", "promotions"),
    ],
}  # fmt: skip


SCRIPT = re.findall(r'"((?:SELECT|INSERT|DROP) [^"]+)"', ACCESS.with_name("qualify.sh").read_text("utf-8"))
"""The statements of the script for a real server, which the engine is to understand."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict[str, str]], list[str], list[str]]:
    """Of each role what the engine says to each action: done, refused, or both."""
    folder, text = tmp_path_factory.mktemp("roles"), ACCESS.read_text("utf-8")
    roles = re.findall(r"^    <(zonepulse_\w+)>$", text.partition("<roles>")[2].partition("</roles>")[0], re.M)
    default = DEFAULT.format(roles="".join(f"<query>GRANT {role}</query>" for role in roles))
    text = re.sub(r'<password_sha256_hex from_env="\w+"/>', f"<password_sha256_hex>{'0' * 64}</password_sha256_hex>", text)
    text = text.replace("<users>", f"<users>{default}", 1).replace("<roles>", f"<roles>{EVERYTHING}", 1)
    text = text.replace("<profiles>", "<profiles><default/>", 1).replace("<quotas>", "<quotas><default/>", 1)
    config = folder / "access.xml"
    config.write_text(text.replace("<clickhouse>", f"<clickhouse><users_config>{config}</users_config>", 1))
    asked = msgspec.json.encode([every_statement(), roles, list(ACTIONS.values()), SCRIPT])
    where = f"{folder / 'store'}?config-file={config}"
    done = subprocess.run([sys.executable, "-c", ASK, where], input=asked, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    answers, users, quotas = msgspec.json.decode(done.stdout)
    found = {
        role: {a: " and ".join(sorted(set(said))) for a, said in zip(ACTIONS, by, strict=True)} for role, by in answers.items()
    }
    return found, users, quotas


def test_each_role_may_do_what_readmes_table_says_and_nothing_else(
    told: tuple[dict[str, dict[str, str]], list[str], list[str]],
) -> None:
    table = {m[1]: m.groups()[1:] for m in ROW.finditer((ROOT / "README.md").read_text("utf-8"))}
    assert set(told[0]) == set(table)
    for role, answers in told[0].items():
        said = {word.strip() for cell in table[role] for word in cell.split(",")} - {"-"}
        assert {a for a, answer in answers.items() if answer == "done"} == said, (role, answers)
        assert answers["nobody's"] == "refused", answers


def test_the_engine_reads_every_user_and_quota(told: tuple[dict[str, dict[str, str]], list[str], list[str]]) -> None:
    _, users, quotas = told
    assert set(users) == {"default", "migrate", "store", "notify", "replay", "operator", "dashboards", "board"}
    assert set(quotas) == {"default", "zonepulse_read"}


def test_the_script_for_a_real_server_is_one() -> None:
    subprocess.run(["bash", "-n", str(ACCESS.with_name("qualify.sh"))], check=True)
    assert len(SCRIPT) > 5
