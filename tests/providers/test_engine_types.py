"""The type checker refuses what is wrong: sources of another class, values of another property."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_ROOMS = _ROOT / ".venv" / "rooms"
# Right but for the lines that end in a comment, which says how mypy calls what is wrong.
_SNIPPET = """
from collections.abc import Iterator

from virtcim.cim.records import MethodResult
from virtcim.cim.value_maps import EnabledState, EnabledStateValue, HealthState
from virtcim.hypervisor.model import Host, VirtualSystem
from virtcim.providers.engine.instance_class import AnyNode, Node
from virtcim.providers.engine.reach import reach_from
from virtcim.providers.engine.sources import OfHost, OfSystem, SystemPart
from virtcim.providers.engine.view import View
from virtcim.providers.host.host_system import HOST_SYSTEM
from virtcim.providers.jobs.invocation import Call, instance_method
from virtcim.providers.resources.disk.allocation import DISK_ALLOCATION
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM


def make(host: Host, system: VirtualSystem) -> None:
    HOST_SYSTEM.node(OfHost(host))
    HOST_SYSTEM.node(OfSystem(system))  # arg-type
    HOST_SYSTEM.node((host,))  # arg-type
    OfHost(system)  # arg-type
    DISK_ALLOCATION.node(SystemPart(system, system.disks[0]))
    DISK_ALLOCATION.node(SystemPart(system, system.network_ports[0]))  # arg-type
    COMPUTER_SYSTEM.values(OfHost(host))  # arg-type


def read(node: AnyNode) -> str:
    if HOST_SYSTEM.owns(node):
        return str(node.sources.host)
    if COMPUTER_SYSTEM.owns(node):
        return str(node.sources.host)  # attr-defined
    return str(node.sources.host)  # attr-defined


def systems(view: View, node: Node[OfHost]) -> Iterator[Node[OfSystem]]:
    return (COMPUTER_SYSTEM.node(OfSystem(each)) for each in view.systems_at(node.sources.host))


def change(call: Call, node: Node[OfHost]) -> MethodResult:
    return MethodResult(return_value=len(node.sources.host.uuid))


reach_from(HOST_SYSTEM, systems)
reach_from(COMPUTER_SYSTEM, systems)  # arg-type
instance_method(HOST_SYSTEM, "Change", (), change)
instance_method(COMPUTER_SYSTEM, "Change", (), change)  # arg-type
shown: EnabledStateValue = EnabledState.ENABLED
wrong: EnabledStateValue = HealthState.OK  # assignment
number: EnabledStateValue = 2  # assignment
"""


@pytest.mark.skipif(not _ROOMS.is_dir(), reason="mypy sees the rooms through links in .venv/rooms")
def test_the_type_checker_refuses_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(_SNIPPET, encoding="utf-8")
    expected = [
        f"{number}: {match[1]}"
        for number, line in enumerate(_SNIPPET.splitlines(), start=1)
        if (match := re.search(r"  # ([a-z-]+)$", line))
    ]
    # Bodies of other modules are no matter here: only what they declare is read.
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file", str(_ROOT / "setup.cfg")),
            *("--cache-dir", str(tmp_path / "cache"), "--follow-imports", "silent"),
            *("--no-error-summary", str(snippet)),
        ],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    found = re.findall(r"snippet\.py:(\d+): error: .*\[([a-z-]+)\]", checked.stdout)
    assert [f"{number}: {code}" for number, code in found] == expected, checked.stdout
    assert checked.stdout.count("error:") == len(expected), checked.stdout
