"""Operations are known by the names that the source gives them, and by those of its tools."""

from __future__ import annotations

import pytest

from virtcim.errormap import ErrorCode, from_record, translate
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


@pytest.mark.parametrize(
    ("typed", "call"),
    [
        ("virsh start", "virDomainCreateWithFlags"),
        ("virsh -c qemu:///system start web", "virDomainCreateWithFlags"),
        ("virsh --connect=qemu:///system pool-start default", "virStoragePoolCreate"),
        ("sudo virsh -q define /tmp/web.xml", "virDomainDefineXML"),
        ("/usr/bin/qemu-system-x86_64 -m 512 -nographic", "(start)"),
        ("qemu-system-aarch64", "(start)"),
        ("qemu-kvm", "(start)"),
        ("xl create", "xend.domain.create"),
        ("xm create /etc/xen/web.cfg", "xend.domain.create"),
        ("virt-install --name web", "virDomainCreateXML"),
        ("qemu-img convert -O qcow2 a b", "drive-mirror"),
    ],
)
def test_a_command_that_was_typed_counts_as_the_call_that_it_makes(typed: str, call: str) -> None:
    assert native(typed) == call


@pytest.mark.parametrize(
    "typed", ["virsh", "virsh -c", "virsh no-such-verb", "sudo", "start", "qemu-nbd"]
)
def test_what_is_no_known_command_is_left_as_it_is(typed: str) -> None:
    assert native(typed) == typed


@pytest.mark.parametrize(
    "text", ["gtk initialization failed", "qemu: something odd: Invalid argument"]
)
def test_what_an_emulator_prints_as_it_ends_ended_the_start_of_a_machine(text: str) -> None:
    told = translate(from_record({"id": "1", "source": "qemu", "raw": {"text": text}}))
    assert told.code is ErrorCode.ERR_VM_CONTROL_OP_FAILED


def test_a_refused_command_that_nobody_named_is_no_start() -> None:
    raw = {"error": {"class": "GenericError", "desc": "something odd"}}
    told = translate(from_record({"id": "1", "source": "qemu", "raw": raw}))
    assert told.code is ErrorCode.ERR_OPERATION_FAILED
