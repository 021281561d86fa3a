"""The engine's configuration file, and the folders of the endpoint's process."""

import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Final

from zonepulse.streams.embedded.processes import landlock
from zonepulse.streams.embedded.processes.private_files import private_folder, write_private

STORE: Final = "store"
CONFIG: Final = "engine.xml"
WORK: Final = "work"
"""An empty folder that the process works in: a relative name leads to nothing, whatever the data folder is called."""
TEMPORARY: Final = "tmp"
DATABASE: Final = "zonepulse"
_CONFIG: Final = """<clickhouse>
  <users_config>../{name}</users_config>
  <max_server_memory_usage>{memory_bytes}</max_server_memory_usage>
  <storage_configuration><disks><default><keep_free_space_bytes>{keep_free}</keep_free_space_bytes></default></disks></storage_configuration>
  <profiles><default>
    <async_insert>0</async_insert><optimize_move_to_prewhere_if_final>1</optimize_move_to_prewhere_if_final>
  </default></profiles>
  <quotas><default/></quotas>
  <roles>
    <writer><grants><query>GRANT ALL ON *.*</query></grants></writer>
    <reader><grants><query>GRANT SELECT ON {database}.*</query></grants></reader>
  </roles>
  <users>
    <default>
      <no_password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
      <grants><query>GRANT writer</query><query>GRANT reader</query></grants>
    </default>
  </users>
</clickhouse>
"""
_SYSTEM: Final = (
    *("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/localtime", "/etc/ssl/openssl.cnf", "/sys"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/uptime", "/proc/self", "/proc/pressure", "/proc/sys"),
)
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def prepare(folder: Path, memory_bytes: int, keep_free_bytes: int) -> None:
    """Makes the folders and writes the configuration."""
    private_folder(folder)
    shutil.rmtree(folder / TEMPORARY, ignore_errors=True)
    for name in (STORE, WORK, TEMPORARY):
        private_folder(folder / name)
    text = _CONFIG.format(name=CONFIG, memory_bytes=memory_bytes, keep_free=keep_free_bytes, database=DATABASE)
    write_private(folder / CONFIG, text.encode())


def confine(folder: Path) -> int:
    """Leaves this process its interpreter, its libraries and its data to read, and its data to write. See landlock.confine."""
    installed = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()}
    here = Path(__file__).resolve().parents[3]
    package = [here / name for name in ("streams", "processors", "schemas", "deploy")]
    read = [*map(Path, sorted(installed)), *package, *map(Path, _SYSTEM), folder / CONFIG, folder / WORK]
    return landlock.confine(read, [folder / STORE, folder / TEMPORARY, *map(Path, _DEVICES)])
