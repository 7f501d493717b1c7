"""The faults that the from_* functions build."""

from __future__ import annotations

import pytest

from virtcim.errormap import (
    ErrorCode,
    Fault,
    changes_state,
    explain,
    from_libvirt,
    from_qemu,
    from_record,
    from_transport,
    from_words,
    from_xapi,
    from_xend,
    translate,
)


@pytest.mark.parametrize(
    "operation",
    [
        "VM.get_record",
        "VM.get_all_records",
        "Async.VM.get_record",
        "VM.assert_can_boot_here",
        "session.login_with_password",
        "event.from",
        "xend.domains",
        "xend.domain",
        "xend.domain.shadow_mem_get",
        "virConnectListAllDomains",
        "virDomainLookupByUUIDString",
        "virDomainGetXMLDesc",
        "virConnectOpen",
        "virDomainInterfaceStats",
        "query-status",
    ],
)
def test_a_call_that_only_reads_does_not_change_state(operation: str) -> None:
    assert not changes_state(operation)


@pytest.mark.parametrize(
    "operation",
    [
        "VM.start",
        "Async.VM.start",
        "VM.set_name_label",
        "host.evacuate",
        "xend.domain.pause",
        "xend.domain.shadow_mem_set",
        "virDomainCreate",
        "virDomainSetMemoryFlags",
        "virDomainDetachDeviceFlags",
        "virDomainMigrateToURI3",
        "blockdev-add",
        "cont",
        "",
        "nobody.knows",
    ],
)
def test_any_other_call_may_change_state(operation: str) -> None:
    assert changes_state(operation)


def test_a_libvirt_error_in_the_envelope_is_decided_as_if_it_had_come_alone() -> None:
    envelope = ["LIBVIRT_ERROR", "38", "VIR_ERR_SYSTEM_ERROR", "VIR_FROM_STORAGE", "x", "%s", "28"]
    fault = from_xapi(envelope, operation="VDI.create")
    assert fault.cause == from_libvirt(
        code=38,
        code_name="VIR_ERR_SYSTEM_ERROR",
        domain="VIR_FROM_STORAGE",
        message="x",
        str1="%s",
        int1=28,
        operation="VDI.create",
    )
    assert translate(fault).code is ErrorCode.ERR_OUT_OF_DISK_SPACE
    assert translate(fault).fault is fault


def test_a_wrapped_emulator_text_is_decided_by_the_emulators_rules() -> None:
    message = "internal error: unable to execute QEMU command 'blockdev-add': Node 'a' is busy"
    explanation = explain(from_libvirt(code=1, message=message, operation="virDomainAttachDevice"))
    assert [fault.source for fault in explanation.path] == ["libvirt", "qemu"]
    assert explanation.path[1].operation == "blockdev-add"
    assert explanation.rule.source == "qemu"


def test_faults_printed_inside_one_another_are_unwrapped_to_the_innermost() -> None:
    text = "absent"
    for _ in range(10):
        text = f"<Fault 2: '{text}'>" if text != "absent" else "<Fault 3: 'absent'>"
    fault = from_xend(fault_code=2, fault_string=text, operation="xend.domain.resume")
    explanation = explain(fault)
    assert explanation.error.code is ErrorCode.ERR_VM_NOT_FOUND
    assert len(explanation.path) == 11
    assert explanation.path[-1].text == "absent"


def test_ten_levels_of_causes_are_followed() -> None:
    fault = from_xapi(["VM_IS_TEMPLATE", "ref"])
    for _ in range(10):
        fault = Fault(source="xapi", code="INTERNAL_ERROR", operation="VM.start", cause=fault)
    assert translate(fault).code is ErrorCode.ERR_WRONG_STATE_FOR_OP


def test_a_request_is_sent_only_if_it_had_left_and_may_change_something() -> None:
    def sent(phase: str, operation: str) -> bool:
        return from_transport(phase=phase, operation=operation).sent

    assert sent("after_send", "VM.start")
    assert not sent("after_send", "VM.get_record")
    assert not sent("before_send", "VM.start")
    assert not sent("connect", "VM.start")


def test_a_cancelled_task_has_a_code_of_its_own() -> None:
    assert from_xapi([], task_status="cancelled").code == "TASK_CANCELLED"
    assert from_xapi([], task_status="failure").code == ""
    assert from_xapi(["VM_CRASHED", "r"], task_status="cancelled").code == "VM_CRASHED"


@pytest.mark.parametrize(
    ("raw", "code", "arguments", "text"),
    [
        ({"class": "DeviceNotFound", "desc": "x"}, "DeviceNotFound", (), "x"),
        ({"error": {"class": "CommandNotFound", "desc": "x"}}, "CommandNotFound", (), "x"),
        ({"event": "STOP"}, "STOP", (), ""),
        (
            {"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-reset"}},
            "SHUTDOWN",
            ("guest=true", "reason=guest-reset"),
            "guest-reset",
        ),
        (
            {"query-migrate": {"status": "failed", "error-desc": "x"}},
            "query-migrate",
            ("status=failed",),
            "x",
        ),
        (
            {"query-jobs": [{"id": "a"}, {"id": "b", "error": "x"}]},
            "query-jobs",
            ("id=b",),
            "x",
        ),
        ({"exit_status": 1, "stderr": "x"}, "exit", ("exit_status=1",), "x"),
    ],
)
def test_every_form_of_an_emulators_report_is_read(
    raw: dict[str, object], code: str, arguments: tuple[str, ...], text: str
) -> None:
    fault = from_qemu(raw)
    assert (fault.code, fault.arguments, fault.text) == (code, arguments, text)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ([], "not an object"),
        ({"source": "xapi"}, "raw"),
        ({"source": "xapi", "raw": []}, "raw"),
        ({"source": "vmware", "raw": {}}, "vmware"),
        ({"raw": {}}, "source"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused_by_name(record: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        from_record(record)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("xapi", "HANDLE_INVALID", ["VM", "r"]), "ERR_VM_NOT_FOUND"),
        (("libvirt", "VIR_ERR_NO_DOMAIN", []), "ERR_VM_NOT_FOUND"),
        (("libvirt", "38", ["VIR_FROM_STORAGE", "28"]), "ERR_OUT_OF_DISK_SPACE"),
        (("xend", "2", ["Domain is not running"]), "ERR_WRONG_STATE_FOR_OP"),
        (("qemu", "BLOCK_IO_ERROR", ["nospace=true"]), "ERR_OUT_OF_DISK_SPACE"),
        (("qemu", "query-status", ["status=io-error"]), "ERR_CANNOT_ACCESS_DISK_FILE"),
        (("qemu", "exit", ["unable to find CPU model 'x'"]), "ERR_OS_NOT_SUPPORTED"),
        (
            ("qemu", "GenericError", ["Could not open '/a': No such file or directory"]),
            "ERR_CANNOT_ACCESS_DISK_FILE",
        ),
        (("transport", "ECONNREFUSED", []), "ERR_COMMUNICATION_NOT_ESTABLISHED"),
        (("transport", "HTTP_401", []), "ERR_UNACCEPTED_CREDENTIALS"),
        (("transport", "gaierror", ["connect"]), "ERR_HOST_NOT_FOUND"),
    ],
)
def test_a_fault_can_be_given_in_words(words: tuple[str, str, list[str]], expected: str) -> None:
    source, code, arguments = words
    assert translate(from_words(source, code, arguments)).code.name == expected


@pytest.mark.parametrize("code", ["abc", "VIR_ERR_NO_DOMIAN", "38x"])
def test_words_with_a_code_that_libvirt_does_not_have_are_refused(code: str) -> None:
    with pytest.raises(ValueError, match=f"'{code}' is neither a number nor a known name"):
        from_words("libvirt", code, text="Domain not found")


def test_words_of_libvirt_without_a_code_are_read_from_the_text() -> None:
    text = "Domain not found: no domain with matching name 'a'"
    assert translate(from_words("libvirt", "", text=text)).code is ErrorCode.ERR_VM_NOT_FOUND


def test_words_of_an_unknown_source_are_refused() -> None:
    with pytest.raises(ValueError, match="hyperv"):
        from_words("hyperv", "1")
