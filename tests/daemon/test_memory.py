"""What large messages took is given back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import ctypes, sys
from virtcim.daemon.memory import limit_memory, return_memory

def resident_mib():
    with open("/proc/self/statm") as statistics:
        return int(statistics.read().split()[1]) * 4096 / 2**20

limit_memory()
before = resident_mib()
for _ in range(3):
    # What stays lies between what goes, as kept records do between the parts of a message.
    kept = []
    message = []
    for number in range(64):
        message.append(bytes(2**20))
        kept.append(bytes(600))
    small = [bytes(600) for _ in range(100_000)]
    del message, small
    return_memory()
print(resident_mib() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5) tells the memory")
def test_what_is_freed_does_not_stay_with_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 24
