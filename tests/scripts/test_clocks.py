"""The clock of the computer tells times that are shown; nothing is counted with it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_ROOMS = (
    *("cim", "cimserver", "cli", "cmpi", "daemon", "errormap", "hypervisor", "mof", "providers"),
    *("registration", "toolstack", "wire"),
)
_WALL = re.compile(r"\btime\.time\b|\bdatetime\.(?:now|utcnow|today)\b|\bCLOCK_REALTIME\b")
# Each of them is shown or written down, and compared with nothing but itself.
_SHOWN = {
    "cimserver/indications/hub.py": 1,  # when an indication came to be
    "cmpi/indications.py": 1,  # the same
    "daemon/audit.py": 1,
    "daemon/tls.py": 1,  # whether a list of revoked certificates is still valid
    "hypervisor/xenapi/recovery.py": 1,  # when an operation began
    "providers/state/clock.py": 2,  # once, at the start of a computer
    "providers/state/job_store.py": 1,  # when a job began; from then on it is counted
    "toolstack/calls/event.py": 1,  # the time of an event
    "toolstack/calls/host.py": 1,  # host.get_servertime
    "toolstack/following/domain_events.py": 3,  # when something happened to a machine
    "toolstack/following/inventory.py": 1,
    "toolstack/images/provisional.py": 1,  # for whoever looks into the database
    "toolstack/sessions.py": 3,
    "toolstack/state/state.py": 1,  # greater than the last one, whatever the clock says
    "toolstack/tasks.py": 3,
}


def test_nothing_is_counted_with_a_clock_that_can_be_set() -> None:
    found = Counter(
        str(file.relative_to(ROOT))
        for room in _ROOMS
        for file in (ROOT / room).rglob("*.py")
        for _ in _WALL.findall(file.read_text(encoding="utf-8"))
    )
    assert dict(found) == _SHOWN
