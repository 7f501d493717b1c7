"""A fault is read before it is decided: what a program says besides never changes the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtcim.errormap import ErrorCode, from_libvirt, from_qemu, from_record, rules, translate
from virtcim.errormap.engine import decide
from virtcim.errormap.reading.facts import Facts
from virtcim.errormap.reading.libvirt_numbers import BEGINNINGS
from virtcim.errormap.reading.lines import messages
from virtcim.errormap.reading.objects import objects
from virtcim.errormap.reading.translated import PATH
from virtcim.errormap.reading.xen_lines import telling_lines

_CASES = Path(__file__).parent / "cases"
_STAMP = "2031-05-06T07:08:09.101112Z "
_WARNINGS = (
    "qemu-system-x86_64: warning: host doesn't support requested feature: CPUID.80000001H [bit 2]",
    "qemu-system-x86_64: warning: Permission denied while looking at a disk image",
    "qemu-system-x86_64: -device e1000,id=n: warning: the option is deprecated, use -nic",
    "(process:4711): Spice-WARNING **: 12:00:00.000: binding socket failed: Address already in use",
    "char device redirected to /dev/pts/3 (label charserial0)",
    "qemu-system-x86_64: info: not enough memory would be bad",
)
_OPTIONS = (
    "-chardev socket,id=c,path=/run/a.sock",
    "-device virtio-rng-pci,id=r",
    '-object {"qom-type":"rng-random","id":"objrng0","filename":"/dev/urandom"}',
)


def _starts() -> list[dict[str, Any]]:
    """The cases of an emulator that ended, with a single line each."""
    found = []
    for path in sorted(_CASES.glob("*qemu.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            stderr = case["raw"].get("stderr")
            if isinstance(stderr, str) and stderr.startswith("qemu") and "\n" not in stderr.strip():
                found.append(case)
    return found


STARTS = _starts()


def _answer(stderr: str) -> tuple[ErrorCode, str]:
    error = translate(from_qemu({"exit_status": 1, "stderr": stderr}, operation="(start)"))
    return error.code, error.rule


@given(
    st.sampled_from(STARTS),
    st.lists(st.sampled_from(_WARNINGS), max_size=3),
    st.lists(st.sampled_from(_WARNINGS), max_size=2),
    st.booleans(),
)
@settings(max_examples=300)
def test_warnings_notices_and_stamps_change_no_answer(
    case: dict[str, Any], before: list[str], after: list[str], stamped: bool
) -> None:
    stderr = case["raw"]["stderr"].strip()
    stamp = _STAMP if stamped else ""
    noisy = "\n".join([*before, stamp + stderr, *after])
    assert _answer(noisy) == _answer(stderr)


@pytest.mark.parametrize("option", _OPTIONS)
def test_an_echoed_option_lends_no_words_to_the_message(option: str) -> None:
    bare = "qemu-system-x86_64: something went wrong"
    told = f"qemu-system-x86_64: {option}: something went wrong"
    assert _answer(told)[0] == _answer(bare)[0]


def test_the_kind_of_an_echoed_option_is_evidence() -> None:
    disk = "qemu-system-x86_64: -drive file=/x,id=d: refused: Permission denied"
    network = "qemu-system-x86_64: -netdev tap,id=n: refused: Permission denied"
    assert _answer(disk)[0] is ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE
    assert _answer(network)[0] is ErrorCode.ERR_VM_CONTROL_OP_FAILED


@pytest.mark.parametrize("message", ["Invalid index 7", "unknown opcode: 9", "entry is too small"])
def test_words_of_a_wrong_request_need_a_request(message: str) -> None:
    program = "qemu-system-x86_64: "
    assert _answer(f"{program}{message}")[0] is ErrorCode.ERR_VM_CONTROL_OP_FAILED
    for asked in ("-device wheel,id=w: ", "'-device' is unsupported: "):
        assert _answer(f"{program}{asked}{message}")[0] is ErrorCode.ERR_BAD_PARAMETER
    command = from_qemu({"class": "GenericError", "desc": message}, operation="device_add")
    assert translate(command).code is ErrorCode.ERR_BAD_PARAMETER


@pytest.mark.parametrize("last", ["load of migration failed: Invalid argument", "Exiting."])
def test_what_is_said_when_giving_up_leaves_the_reason_to_the_line_before(last: str) -> None:
    reason = "qemu-system-x86_64: -drive file=/x: Failed to get shared lock"
    assert _answer(f"{reason}\nqemu-system-x86_64: {last}") == _answer(reason)


def test_the_last_message_decides_and_the_others_are_kept_for_when_it_says_nothing() -> None:
    text = "qemu: first\nqemu: warning: no\nqemu: second\nTry 'qemu --help'\n"
    assert [one.text for one in messages(text)] == ["second", "first"]


@pytest.mark.parametrize(("beginning", "number"), sorted(BEGINNINGS.items()))
def test_what_libvirt_begins_a_message_with_is_no_part_of_it(beginning: str, number: int) -> None:
    fault = from_libvirt(code=number, message=f"{beginning} the sky is green")
    assert Facts(fault).text == "the sky is green"


@pytest.mark.parametrize("beginning", sorted(BEGINNINGS))
def test_libvirts_beginnings_change_no_answer(beginning: str) -> None:
    number = BEGINNINGS[beginning]
    for words in ("disk is locked by another process", "the sky is green", "name too long"):
        bare = from_libvirt(code=number, message=words, operation="virDomainCreate")
        begun = from_libvirt(
            code=number, message=f"{beginning} {words}", operation="virDomainCreate"
        )
        assert decide(begun).rule is decide(bare).rule


def test_no_rule_decides_by_an_errno_without_evidence_of_the_object() -> None:
    events = {"BLOCK_IO_ERROR", "query-block"}
    for rule in rules():
        if not rule.errno or rule.source not in ("libvirt", "qemu", "text"):
            continue
        named_by_code = bool(rule.code) and set(rule.code) <= events
        named_by_argument = rule.argument is not None
        mounting = rule.id == "text.mount_point_not_empty"
        lost = rule.id == "libvirt.configuration_file_space"
        assert rule.about or named_by_code or named_by_argument or mounting or lost or rule.text, (
            rule.id
        )


_OBJECTS = {
    "/sys/fs/cgroup/machine.slice/cpu.max": "cgroup",
    "/dev/vfio/17": "host_device",
    "/dev/kvm": "platform",
    "/dev/net/tun": "network",
    "/var/lib/libvirt/images/a.qcow2": "disk",
    "/dev/mapper/vg-lv": "disk",
    "/run/libvirt/qemu/a.pid": "own_file",
    "/usr/bin/qemu-system-x86_64": "helper",
    "/dev/hugepages/libvirt": "hugepages",
    "/run/openvswitch/db.sock": "own_file",
}


@pytest.mark.parametrize("path", sorted(_OBJECTS))
@pytest.mark.parametrize("errno", ["EACCES", "ENOENT", "EPERM", "EIO", "EBUSY", "ENODEV"])
def test_an_errno_on_a_path_concerns_a_disk_only_where_the_path_is_one(
    path: str, errno: str
) -> None:
    record = {
        "source": "libvirt",
        "operation": "virDomainCreate",
        "raw": {"code": 38, "message": f"Unable to open '{path}': {errno}"},
    }
    fault = from_record(record)
    assert _OBJECTS[path] in Facts(fault).objects
    specific = (ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE, ErrorCode.ERR_FILE_IN_USE)
    expected_specific = _OBJECTS[path] == "disk"
    busy_device = errno == "EBUSY" and _OBJECTS[path] in ("host_device", "platform")
    assert (translate(fault).code in specific) == (expected_specific or busy_device)


def test_words_for_an_object_outweigh_the_look_of_a_path() -> None:
    record = {
        "source": "libvirt",
        "operation": "virDomainCreate",
        "raw": {"code": 38, "message": "cannot write the cgroup file /images/a.img: ENOENT"},
    }
    assert "disk" not in Facts(from_record(record)).objects
    assert "cgroup" in objects()


@given(st.text(max_size=2000), st.sampled_from(["libvirt", "qemu"]))
@settings(max_examples=300)
def test_any_text_is_read_into_at_least_one_message(text: str, source: str) -> None:
    assert messages(text)
    raw = {"message": text} if source == "libvirt" else {"exit_status": 1, "stderr": text}
    facts = Facts(from_record({"source": source, "raw": raw}))
    assert facts.objects <= objects()


@pytest.mark.parametrize(
    ("message", "operation", "code"),
    [
        (
            "Fehler: Angeforderte Operation ist nicht gültig: Domain läuft nicht",
            "virDomainShutdown",
            ErrorCode.ERR_WRONG_STATE_FOR_OP,
        ),
        ("erreur : Domaine non trouvé : x", "virDomainLookupByName", ErrorCode.ERR_VM_NOT_FOUND),
        ("错误\uff1a未找到域\uff1ax", "virDomainLookupByName", ErrorCode.ERR_VM_NOT_FOUND),
        (
            "エラー: ドメインは見つかりませんでした: x",
            "virDomainCreate",
            ErrorCode.ERR_VM_NOT_FOUND,
        ),
        (
            "ошибка: Устройство PCI 0000:02:00.0 используется драйвером QEMU, домен web-1",
            "virDomainCreate",
            ErrorCode.ERR_FILE_IN_USE,
        ),
    ],
)
def test_a_message_in_another_language_is_known_without_its_number(
    message: str, operation: str, code: ErrorCode
) -> None:
    fault = from_libvirt(code=None, message=message, operation=operation)
    assert translate(fault).code is code


def test_the_hashes_of_messages_name_rules_that_exist() -> None:
    content = PATH.read_bytes()
    head = json.loads(content[4 : 4 + int.from_bytes(content[:4], "little")])
    assert {name for one in head for name in one} <= {rule.id for rule in rules()}


@pytest.mark.parametrize(
    "logged",
    [
        "qemu[stderr]: {}",
        'time="2021-12-21T00:01:26+08:00" level=error msg="{}" subsystem=qemu',
        "docker: failed to launch qemu: exit status 1, error messages from qemu log: {}",
        r"C:\Program Files\qemu\{}",
    ],
)
def test_what_a_log_writes_around_an_emulators_line_is_no_part_of_it(logged: str) -> None:
    line = "qemu-system-x86_64: -device e1000,netdev=n0: Property 'e1000.netdev' can't find value"
    (found,) = messages(logged.format(line))
    assert found.option == "device e1000,netdev=n0"
    assert found.text.startswith("Property 'e1000.netdev' can't find value")


def test_a_program_that_is_only_named_is_no_speaker() -> None:
    (found,) = messages("failed to spawn qemu-system-arm: No such file or directory")
    assert found.text == "failed to spawn qemu-system-arm: No such file or directory"


@pytest.mark.parametrize(
    "reporter",
    ["GenericError: ", "QMP command device_add failed: GenericError; ", "Agent error: "],
)
def test_who_asked_the_emulator_is_no_part_of_the_message(reporter: str) -> None:
    (found,) = messages(f"{reporter}Bus 'pcie.9' not found")
    assert found.text == "Bus 'pcie.9' not found"


def test_prose_that_is_wrapped_says_nothing_by_itself() -> None:
    text = (
        "KVM: entry failed, hardware error 0x80000021\n\n"
        "If you're running a guest on an Intel machine without unrestricted mode\n"
        "support, the failure can be most likely due to the guest entering an invalid\n"
        "state for Intel VT."
    )
    assert [one.text for one in messages(text)] == ["KVM: entry failed, hardware error 0x80000021"]


def test_a_message_that_ends_in_the_middle_goes_on_in_the_next_line() -> None:
    (found,) = messages('qemu-system-arm: -device nvme,drive=d: Failed to get\n"write" lock')
    assert found.text == 'Failed to get "write" lock'


def test_progress_of_xens_tools_is_left_out() -> None:
    report = (
        'Using config file "/etc/xen/blue".\nWARNING: an odd setting\n'
        "Error: it broke\nUsage: xm create <Odd> [options]\n  -q  be quiet"
    )
    assert telling_lines(report) == "Error: it broke"


def test_progress_alone_stays() -> None:
    report = 'Using config file "/etc/xen/blue".\nStarted domain blue'
    assert telling_lines(report) == report
