"""Faults in a piece of a log: every form is found, each fault once, with its lines."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtcim.errormap import translate
from virtcim.errormap.forms.pasted import pasted

_STATE = ["VM_BAD_POWER_STATE", "OpaqueRef:1", "halted", "running"]
_TRACE = 'Traceback (most recent call last):\n  File "x.py", line 3, in f\n    g()\n'
_STAMP = "2024-05-01 10:00:00.123+0000: 1234"
_ORCHESTRA = json.dumps(
    {
        "code": "SR_BACKEND_FAILURE_44",
        "params": ["", "There is insufficient space, sorry", ""],
        "call": {"method": "VDI.create", "params": []},
        "message": "SR_BACKEND_FAILURE_44(, There is insufficient space, sorry, )",
        "stack": "XapiError: SR_BACKEND_FAILURE_44(, There is insufficient space, sorry, )\n at x",
    },
    indent=2,
)

_FORMS: dict[str, tuple[str, str, str]] = {
    "Python's list": (f"failed: {_STATE}", "xapi VM_BAD_POWER_STATE", "WRONG_STATE_FOR_OP"),
    "JSON": (json.dumps(_STATE), "xapi VM_BAD_POWER_STATE", "WRONG_STATE_FOR_OP"),
    "XAPI's log": (
        (
            "xapi: [error] VM.start failed with exception"
            " Server_error(VM_BAD_POWER_STATE, [ OpaqueRef:1; halted; running ])"
        ),
        "xapi VM_BAD_POWER_STATE",
        "WRONG_STATE_FOR_OP",
    ),
    "XML-RPC": (
        (
            "<member><name>ErrorDescription</name><value><array><data><value>HANDLE_INVALID</value>"
            "<value>VM</value><value>x</value></data></array></value></member>"
        ),
        "xapi HANDLE_INVALID",
        "VM_NOT_FOUND",
    ),
    "Xen Orchestra": (_ORCHESTRA, "xapi SR_BACKEND_FAILURE_44", "OUT_OF_DISK_SPACE"),
    "a stack of node": (
        "XapiError: VM_BAD_POWER_STATE(OpaqueRef:1, halted, running)\n    at x.mjs:1:2",
        "xapi VM_BAD_POWER_STATE",
        "WRONG_STATE_FOR_OP",
    ),
    "xe, without a code": (
        (
            "The server failed to handle your request, due to an internal error. See the log.\n"
            "message: xenopsd internal error: Xenops_interface.Does_not_exist(VM, u)"
        ),
        "xapi INTERNAL_ERROR",
        "VM_NOT_FOUND",
    ),
    "xe, with a code": (
        "Error code: VM_BAD_POWER_STATE\nError parameters: OpaqueRef:1, halted, running",
        "xapi VM_BAD_POWER_STATE",
        "WRONG_STATE_FOR_OP",
    ),
    "the storage manager's log": (
        "SM: [12] Raising exception [46, The VDI is not available [opterr=already attached RW]]",
        "xapi SR_BACKEND_FAILURE_46",
        "FILE_IN_USE",
    ),
    "a traceback of XenAPI": (
        f"{_TRACE}XenAPI.XenAPI.Failure: {_STATE}",
        "xapi VM_BAD_POWER_STATE",
        "WRONG_STATE_FOR_OP",
    ),
    "a traceback of libvirt": (
        f"{_TRACE}libvirt.libvirtError: Domain not found: no domain with matching name 'a'",
        "libvirt 42",
        "VM_NOT_FOUND",
    ),
    "a traceback of XML-RPC": (
        f"{_TRACE}xmlrpc.client.Fault: <Fault 3: 'nope'>",
        "xend 3",
        "VM_NOT_FOUND",
    ),
    "a traceback of HTTP": (
        f"{_TRACE}xmlrpc.client.ProtocolError: <ProtocolError for host/: 401 Unauthorized>",
        "transport HTTP_401",
        "UNACCEPTED_CREDENTIALS",
    ),
    "libvirt's log": (
        f"{_STAMP}: error : virX:9 : Domain not found: no domain with matching name 'a'",
        "libvirt 42",
        "VM_NOT_FOUND",
    ),
    "the journal": (
        "Nov 30 02:00:00 host virtqemud[22]: Domain not found: no domain with matching name 'a'",
        "libvirt 42",
        "VM_NOT_FOUND",
    ),
    "virt-install": (
        "ERROR    Domain not found: no domain with matching name 'a'",
        "libvirt 42",
        "VM_NOT_FOUND",
    ),
    "Java's binding of libvirt": (
        "org.libvirt.LibvirtException: Domain not found: no domain with matching name 'a'",
        "libvirt 42",
        "VM_NOT_FOUND",
    ),
    "Go's binding of libvirt": (
        "virError(Code=42, Domain=10, Message='no domain with matching name a')",
        "libvirt 42",
        "VM_NOT_FOUND",
    ),
    "virsh": (
        (
            "error: Failed to start domain 'a'\n"
            "error: Requested operation is not valid: domain is already running"
        ),
        "libvirt 55",
        "WRONG_STATE_FOR_OP",
    ),
    "what an emulator printed, in libvirt's log": (
        (
            f"{_STAMP}: error : q:1 : internal error: process exited while connecting to monitor: "
            "2024-05-01T10:00:00.1Z qemu-kvm: warning: host is old\n"
            "2024-05-01T10:00:00.2Z qemu-kvm: -drive file=/a.img: Could not open '/a.img': "
            "Permission denied"
        ),
        "libvirt 1",
        "CANNOT_ACCESS_DISK_FILE",
    ),
    "an emulator": (
        (
            "qemu-system-x86_64: warning: host is old\n"
            "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory"
        ),
        "qemu exit",
        "OUT_OF_MEMORY",
    ),
    "a task of Proxmox VE": (
        (
            "bridge 'vmbr1' does not exist\n"
            "kvm: -netdev type=tap,id=net1: network script /x/pve-bridge failed with status 512\n"
            "TASK ERROR: start failed: QEMU exited with code 1"
        ),
        "qemu exit",
        "VM_CONTROL_OP_FAILED",
    ),
    "a task of Proxmox VE that says why": (
        "TASK ERROR: can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout",
        "qemu exit",
        "WRONG_STATE_FOR_OP",
    ),
    "a backup of Proxmox VE": (
        "ERROR: Backup of VM 105 failed - VM is locked (snapshot-delete)",
        "qemu exit",
        "WRONG_STATE_FOR_OP",
    ),
    "a migration of Proxmox VE": (
        "2024-05-01 10:00:00 ERROR: migration aborted (duration 00:00:00): VM is locked (backup)",
        "qemu exit",
        "WRONG_STATE_FOR_OP",
    ),
    "the journal of Proxmox VE": (
        (
            "Nov 30 10:10:00 pve pvedaemon[12]: <root@pam> end task UPID:pve:000A:0012:65:qmstart"
            ":100:root@pam: can't lock file '/x/lock-100.conf' - got timeout"
        ),
        "qemu exit",
        "WRONG_STATE_FOR_OP",
    ),
    "oVirt's event": (
        (
            "EVENT_ID: VM_DOWN_ERROR(119), VM web is down with error."
            " Exit message: Lost connection with qemu process."
        ),
        "libvirt ",
        "VM_STUCK",
    ),
    "KubeVirt": (
        "SyncVMI failed: \"LibvirtError(Code=42, Domain=10, Message='no domain')\"",
        "libvirt 42",
        "VM_NOT_FOUND",
    ),
    "QMP": (
        '{"error": {"class": "GenericError", "desc": "Node \'a\' is busy"}, "id": 3}',
        "qemu GenericError",
        "FILE_IN_USE",
    ),
    "an event of QMP": (
        '{"event": "BLOCK_IO_ERROR", "data": {"nospace": true, "reason": "x"}}',
        "qemu BLOCK_IO_ERROR",
        "OUT_OF_DISK_SPACE",
    ),
    "xend's log": (
        (
            f"[2010-01-01 12:00:00 xend 12] ERROR (SrvBase:88) Request op_create failed.\n{_TRACE}"
            "VmError: Kernel image does not exist: /boot/x"
        ),
        "xend ",
        "CANNOT_ACCESS_DISK_FILE",
    ),
    "xm": ("Error: Domain 'm1' is not started", "xend ", "WRONG_STATE_FOR_OP"),
    "node": (
        "Error: connect ECONNREFUSED 10.0.0.1:443",
        "transport ECONNREFUSED",
        "COMMUNICATION_NOT_ESTABLISHED",
    ),
    "Java": (
        "Caused by: java.net.UnknownHostException: xenhost\n\tat x.y(Z.java:3)",
        "transport gaierror",
        "HOST_NOT_FOUND",
    ),
    "a record": (
        json.dumps({"source": "xapi", "raw": {"error_description": _STATE}}),
        "xapi VM_BAD_POWER_STATE",
        "WRONG_STATE_FOR_OP",
    ),
}


@pytest.mark.parametrize("form", _FORMS)
def test_a_fault_is_found_among_lines_that_are_none(form: str) -> None:
    text, code, expected = _FORMS[form]
    noise = "Nov 30 10:00:00 host kernel: nothing to see\n"
    found = pasted(f"{noise}{noise}{text}\n{noise}")
    ((lines, fault),) = found
    assert lines == (3,)
    assert f"{fault.source} {fault.code}" == code
    assert translate(fault).code.name == f"ERR_{expected}"


def test_all_forms_one_below_the_other_are_told_apart() -> None:
    begins, text = {}, ""
    for form, (piece, _, _) in _FORMS.items():
        begins[text.count("\n") + 1] = form
        text += piece + "\n" * 12
    seen = {line for lines, _ in pasted(text) for line in lines}
    assert seen == set(begins)


def test_the_same_fault_is_told_once_with_all_its_lines() -> None:
    line = f"raised {_STATE}\n"
    other = "Server_error(SESSION_INVALID, [ OpaqueRef:2 ])\n"
    found = pasted(line + other + line + other + line)
    assert [one.lines for one in found] == [(1, 3, 5), (2, 4)]


def test_a_time_stamp_makes_no_other_fault() -> None:
    text = "\n".join(
        f"2024-05-01 10:00:0{second}.123+0000: 1234: error : virX:9 : Domain not found: 'a'"
        for second in range(5)
    )
    ((lines, _),) = pasted(text)
    assert lines == (1, 2, 3, 4, 5)


def test_one_report_in_several_spellings_is_one_time() -> None:
    text = (
        "{ code: 'VDI_IN_USE',\n  params: [ 'OpaqueRef:1', 'destroy' ],\n"
        "  message: 'VDI_IN_USE(OpaqueRef:1, destroy)' }"
    )
    ((lines, fault),) = pasted(text)
    assert (lines, fault.code) == ((1,), "VDI_IN_USE")


def test_a_message_that_hands_nothing_on_is_its_line_alone() -> None:
    text = f"{_STAMP}: error : x:1 : internal error: End of file from qemu monitor\nanother\n"
    assert [one.fault.text for one in pasted(text)] == [
        "internal error: End of file from qemu monitor"
    ]


def test_what_an_emulator_printed_ends_where_another_program_speaks() -> None:
    text = (
        f"{_STAMP}: error : x:1 : internal error: process exited while connecting to monitor: "
        "2024-05-01T10:00:00Z qemu-kvm: cannot set up guest memory 'a': Cannot allocate memory\n"
        "2024-05-01T10:00:01Z qemu-kvm: giving up\n"
        "host another[1]: Domain not found\n"
    )
    ((_, fault),) = pasted(text)
    assert fault.text.endswith("giving up")
    assert translate(fault).code.name == "ERR_OUT_OF_MEMORY"


@pytest.mark.parametrize(
    "text",
    [
        "ERROR    cannot find it",
        "",
        "nothing\n",
        "error: cannot find file foo.c",
        "Error: no such option",
        "qemu-system-x86_64: warning: host is old\n",
        f"{_TRACE}KeyError: 'a'\n",
        f"{_TRACE}FileNotFoundError: [Errno 2] No such file or directory: 'a'\n",
        "option ['FOO_BAR', 'x'] of MAKE_ALL(a, b)",
        '{"return": {}, "id": 1}\n{"event": "RESUME"}\n{"status": "ok", "code": 5}',
        "<html><body>ERROR</body></html>",
        "TASK ERROR: \nTASK OK\nend task UPID:pve:000A:0012:65:qmstart:100:root@pam: OK",
        "ERROR: Backup job failed",
        f"{_STAMP}: info : virX:9 : all is well",
    ],
)
def test_what_is_no_fault_of_a_hypervisor_is_not_told(text: str) -> None:
    assert pasted(text) == []


def test_what_was_printed_above_a_task_that_failed_belongs_to_it_up_to_another_entry() -> None:
    text = (
        "Nov 30 10:00:00 host another[1]: no space left\n"
        "host doesn't support requested feature: CPUID[eax=1]\n"
        "kvm: Host doesn't support requested features\n"
        "TASK ERROR: start failed: QEMU exited with code 1\n"
        "\n"
        "TASK ERROR: start failed: QEMU exited with code 1\n"
    )
    first, second = pasted(text)
    assert first.lines == (2,)
    assert first.fault.text.startswith("host doesn't")
    assert second.lines == (6,)
    assert translate(first.fault).code.name == "ERR_OS_NOT_SUPPORTED"


def test_virsh_names_the_call_and_what_is_given_goes_before_it() -> None:
    text = _FORMS["virsh"][0]
    assert [one.fault.operation for one in pasted(text)] == ["virDomainCreate"]
    assert [one.fault.operation for one in pasted(text, "VM.start")] == ["VM.start"]


_BEGINNINGS = [
    "x", " ", "\n", "\\", "[", "(", "{", '"', "Server_error(A_B, [ ", "['VDI_IN_USE', '",
    "VDI_IN_USE(", "VDI_IN_USE: [ ", "<Fault 1: '", "Storage_error ([S(", "Child process (",
    "libvirt: ", "error: ", "error: Failed to start domain\n", "Traceback (most recent call last):",
    "Error code: ", "<name>ErrorDescription</name>", '{"error": ', '{"code": [', "qemu-kvm: ",
    "kvm: a\n", f"{_STAMP}: error : x monitor\n", "connect ECONNREFUSED ", 'Failure "',
    "HTTPSConnectionPool(", "Domain.Bad_error(", "params: [", "]: ", "Raising exception [46, ",
    "TASK ERROR: ", "a\nTASK ERROR: start failed: QEMU exited with code 1\n", "end task UPID:a: ",
    "VM x is down with error. Exit message: ", "ERROR: Backup of VM 1",
]  # fmt: skip


@pytest.mark.parametrize("beginning", _BEGINNINGS)
def test_a_long_text_of_beginnings_is_looked_through_quickly(beginning: str) -> None:
    text = beginning * (200_000 // len(beginning))
    started = time.process_time()
    pasted(text)
    # A quadratic pattern would take many minutes here.
    assert time.process_time() - started < 30


def test_a_line_of_sixteen_megabytes_is_cut_not_searched() -> None:
    line = "x" * (16 * 1024 * 1024)
    started = time.process_time()
    found = pasted(f"{line}\nraised {_STATE}\n")
    assert time.process_time() - started < 30
    assert [one.lines for one in found] == [(2,)]


def test_of_a_long_line_both_ends_are_looked_at() -> None:
    noise = "x" * 100_000
    assert [one.lines for one in pasted(f"{noise} {_STATE}\n{_STATE} {noise}")] == [(1, 2)]
    assert pasted(f"{noise} {_STATE} {noise}") == []


def test_bytes_that_are_no_text_are_looked_through() -> None:
    noise = bytes(range(256)).decode("latin-1") * 2_000
    assert [one.fault.code for one in pasted(f"{noise}\n{_STATE}\n{noise}")] == [_STATE[0]]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([*_BEGINNINGS, *(form[0] for form in _FORMS.values())])
        | st.text(max_size=12),
        max_size=8,
    )
)
def test_any_text_is_looked_through_and_lines_are_those_of_the_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    for lines, fault in pasted(text):
        assert list(lines) == sorted(lines)
        assert 1 <= lines[0] <= lines[-1] <= text.count("\n") + 1
        assert translate(fault).fault is fault
