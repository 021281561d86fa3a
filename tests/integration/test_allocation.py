import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration
_FAULTS = """
import resource, sys
import numpy as np
from zonepulse.streams.workers.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
for turn in range(40):
    if turn == 4:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(500_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_freed_memory_is_used_again_without_page_faults() -> None:
    kept = subprocess.run([sys.executable, "-c", _FAULTS, "kept"], capture_output=True, text=True, check=True)
    assert int(kept.stdout) < 4000  # 36 arrays of 4 MB each are 35,000 pages
