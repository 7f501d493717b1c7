"""Operations are known by the names that the source gives them, and by those of its tools."""

from __future__ import annotations

import pytest

from virtcim.errormap.operations import changes_state, groups_of, native


@pytest.mark.parametrize(
    ("named", "own"),
    [
        ("vm-start", "VM.start"),
        ("xe vm-start", "VM.start"),
        ("vm.start", "VM.start"),
        ("vm.migrate", "VM.migrate"),
        ("Async.VM.start", "VM.start"),
        ("disk.create", "VDI.create"),
        ("vdi-create", "VDI.create"),
        ("sr-scan", "SR.scan"),
        ("vm.getBackupReport", "VM.get_backup_report"),
        ("host-evacuate", "host.evacuate"),
        ("snapshot-revert", "VM.revert"),
    ],
)
def test_the_name_that_a_tool_has_for_a_call_counts_as_the_calls_own(named: str, own: str) -> None:
    assert native(named) == own
    assert groups_of(named) == groups_of(own)
    assert changes_state(named) == changes_state(own)


@pytest.mark.parametrize(
    "operation",
    ["snapshot-save", "snapshot-load", "block-stream", "device_add", "virDomainCreate",
     "xend.domain.create", "network.create", "host.get_API_version", "(start)", ""],
)  # fmt: skip
def test_other_names_stay_as_they_are(operation: str) -> None:
    assert native(operation).lower() == operation.lower()


def test_a_command_of_the_emulator_is_no_call_of_a_tool() -> None:
    assert {"@snapshot", "@qmp", "@guest"} <= groups_of("snapshot-save", "qemu")


def test_making_a_connection_changes_nothing() -> None:
    assert not changes_state("connect")
    assert not changes_state("xend.domains")
    assert changes_state("xend.domain.pause")
