"""Every form in which programs log a fault is read; one that nobody knows is refused by name."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtcim.errormap import from_record, translate
from virtcim.errormap.forms.record import EXPECTED

_STATE = ["VM_BAD_POWER_STATE", "OpaqueRef:1", "halted", "running"]
_STATE_TEXT = "VM_BAD_POWER_STATE(OpaqueRef:1, halted, running)"
_WRONG_STATE = "WRONG_STATE_FOR_OP"
_NO_CONNECTION = "COMMUNICATION_NOT_ESTABLISHED"
_FULL = "OUT_OF_DISK_SPACE"
_NOT_RUNNING = "Requested operation is not valid: domain is not running"


def _translated(source: str, raw: dict[str, Any], operation: str = "VM.start") -> str:
    record = {"source": source, "operation": operation, "raw": raw}
    return translate(from_record(record)).code.name


@pytest.mark.parametrize(
    "raw",
    [
        {"error_description": _STATE},
        {"error_description": str(_STATE)},
        {"Status": "Failure", "ErrorDescription": _STATE},
        {"error_info": _STATE},
        {"status": "failure", "name_label": "Async.VM.start", "error_info": _STATE},
        {"status": "failure", "error_info": str(_STATE)},
        {"code": _STATE[0], "params": _STATE[1:], "call": {"method": "VM.start", "params": []}},
        {"code": 1, "message": _STATE[0], "data": _STATE[1:]},
        {"code": "1", "message": _STATE[0], "data": _STATE[1:]},
        {"jsonrpc": "2.0", "error": {"code": 1, "message": _STATE[0], "data": _STATE[1:]}},
        {"error": {"code": _STATE[0], "params": _STATE[1:]}},
        {"text": str(_STATE)},
        {"text": f"XenAPI.Failure: {_STATE}"},
        {"text": f"Traceback (most recent call last):\n  File 'x'\nXenAPI.Failure: {_STATE}"},
        {"text": _STATE_TEXT},
        {"text": f"XapiError: {_STATE_TEXT}\n    at Function.wrap (file:///x.mjs:16:12)"},
        {"text": "Server_error(VM_BAD_POWER_STATE, [ OpaqueRef:1; halted; running ])"},
        {"text": "VM_BAD_POWER_STATE"},
        {"text": "VM_BAD_POWER_STATE: OpaqueRef:1, halted, running"},
        {"text": '{"code": "VM_BAD_POWER_STATE", "params": ["OpaqueRef:1", "halted", "running"]}'},
        {"text": "Error code: VM_BAD_POWER_STATE\nError parameters: OpaqueRef:1, halted, running"},
        {"error": _STATE_TEXT},
        {"error": _STATE, "result": None},
        {"result": {"Status": "Failure", "ErrorDescription": _STATE}},
        {"message": _STATE_TEXT, "name": "XapiError"},
        {"faultCode": 1, "faultString": str(_STATE)},
        {"code": _STATE_TEXT},
        {"error": _STATE[0], "data": _STATE[1:], "info": "from the server"},
        {"text": '{"error": "VM_BAD_POWER_STATE", "data": [], "info": "from the server"}'},
        {"code": 21, "message": "it failed", "data": {"code": _STATE[0], "params": _STATE[1:]}},
    ],
)
def test_an_error_of_the_xenapi_is_read_however_a_program_wrote_it(raw: dict[str, Any]) -> None:
    fault = from_record({"source": "xapi", "operation": "VM.start", "raw": raw})
    assert (fault.source, fault.code) == ("xapi", "VM_BAD_POWER_STATE")
    assert fault.arguments in ((), tuple(_STATE[1:]))
    assert translate(fault).code.name == "ERR_WRONG_STATE_FOR_OP"


def test_an_error_within_an_error_of_xen_orchestra_keeps_the_object_that_it_names() -> None:
    raw = {"code": 21, "message": "it failed", "data": {"objectId": "7", "code": _STATE[0]}}
    fault = from_record({"source": "xapi", "operation": "VM.start", "raw": raw})
    assert (fault.code, fault.arguments) == (_STATE[0], ("7",))


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([f"h1: {_STATE_TEXT}", "h2: HOST_DISABLED(OpaqueRef:2)"], "VM_BAD_POWER_STATE"),
        (["h1: it will not", "h2: HOST_DISABLED"], "HOST_DISABLED"),
    ],
)
def test_the_reasons_of_the_hosts_that_xen_orchestra_lists_are_the_cause(
    errors: list[str], expected: str
) -> None:
    raw = {"code": "NO_HOSTS_AVAILABLE", "params": [], "errors": errors}
    fault = from_record({"source": "xapi", "operation": "VM.start", "raw": raw})
    assert fault.code == "NO_HOSTS_AVAILABLE"
    assert fault.cause is not None
    assert fault.cause.code == expected
    assert translate(fault).code.name == "ERR_WRONG_STATE_FOR_OP"


@pytest.mark.parametrize("errors", ["VM_IS_X", [], [None, 7, {}], ["h1: nothing that is known"]])
def test_a_list_of_hosts_without_a_reason_leaves_the_error_as_it_is(errors: object) -> None:
    raw = {"code": "NO_HOSTS_AVAILABLE", "params": [], "errors": errors}
    fault = from_record({"source": "xapi", "operation": "VM.start", "raw": raw})
    assert fault.cause is None


def test_a_task_that_was_cancelled_has_its_own_code_in_its_record_too() -> None:
    record = {"source": "xapi", "raw": {"status": "cancelled", "error_info": []}}
    assert from_record(record).code == "TASK_CANCELLED"


def test_the_call_in_a_clients_log_is_the_operation_where_none_is_given() -> None:
    raw = {"code": "X", "params": [], "call": {"method": "VM.snapshot"}}
    assert from_record({"source": "xapi", "raw": raw}).operation == "VM.snapshot"
    record = {"source": "xapi", "operation": "VM.start", "raw": raw}
    assert from_record(record).operation == "VM.start"


@pytest.mark.parametrize(
    ("source", "raw", "expected"),
    [
        ("xend", {"result": {"Status": "Failure", "ErrorDescription": _STATE}}, _WRONG_STATE),
        ("xend", {"result": {"Status": "Error", "ErrorDescription": _STATE}}, _WRONG_STATE),
        ("xend", {"text": "Error: Domain 'm1' is not started"}, _WRONG_STATE),
        ("xend", {"text": "<Fault 3: 'nope'>"}, "VM_NOT_FOUND"),
        ("xend", {"text": "xmlrpclib.Fault: <Fault 3: 'nope'>"}, "VM_NOT_FOUND"),
        ("xend", {"faultCode": 3, "faultString": "nope"}, "VM_NOT_FOUND"),
        ("qemu", {"return": "Error: Device 'virtio9' not found\r\n"}, "BAD_PARAMETER"),
        ("qemu", {"class": None, "desc": "Node 'a' is busy: node is used"}, "FILE_IN_USE"),
        ("qemu", {"query-status": {"status": "io-error"}, "io-status": "nospace"}, _FULL),
        (
            "qemu",
            {
                "query-status": {"status": "io-error"},
                "query-block": [{"device": "a", "io-status": "nospace"}],
            },
            _FULL,
        ),
        (
            "qemu",
            {"query-status": {"status": "io-error"}, "io-status": "failed"},
            "CANNOT_ACCESS_DISK_FILE",
        ),
        ("qemu", {"text": '{"error": {"class": "DeviceNotFound", "desc": "x"}}'}, "BAD_PARAMETER"),
        (
            "qemu",
            {"text": "qemu-kvm: cannot set up guest memory 'pc.ram': Cannot allocate memory"},
            "OUT_OF_MEMORY",
        ),
        ("libvirt", {"code": 55, "domain": 10, "level": 2, "message": "x"}, _WRONG_STATE),
        ("libvirt", {"code": "VIR_ERR_NO_DOMAIN"}, "VM_NOT_FOUND"),
        ("libvirt", {"Code": 42, "Domain": 10, "Message": "x", "Level": 2}, "VM_NOT_FOUND"),
        ("libvirt", {"text": _NOT_RUNNING}, _WRONG_STATE),
        ("libvirt", {"text": f"error: Failed to pause 'a'\nerror: {_NOT_RUNNING}"}, _WRONG_STATE),
        ("libvirt", {"text": f"libvirt: QEMU Driver error : {_NOT_RUNNING}"}, _WRONG_STATE),
        ("libvirt", {"text": f"libvirt.libvirtError: {_NOT_RUNNING}"}, _WRONG_STATE),
        (
            "libvirt",
            {"text": "2024-01-02 10:00:00.123+0000: 12: error : virX:9 : Domain not found: 'a'"},
            "VM_NOT_FOUND",
        ),
        ("transport", {"text": "connect ECONNREFUSED 10.0.0.1:443"}, _NO_CONNECTION),
        (
            "transport",
            {"code": "ECONNRESET", "syscall": "read", "errno": "ECONNRESET"},
            "UNABLE_TO_VERIFY_STATE",
        ),
        ("transport", {"text": "socket.gaierror: [Errno -2] not known"}, "HOST_NOT_FOUND"),
        ("transport", {"http_status": 401}, "UNACCEPTED_CREDENTIALS"),
    ],
)  # fmt: skip
def test_every_other_form_is_read(source: str, raw: dict[str, Any], expected: str) -> None:
    assert _translated(source, raw) == f"ERR_{expected}"


@pytest.mark.parametrize(
    ("source", "raw"),
    [
        ("libvirt", {"code": 0, "message": "Domain not found: no domain with name 'a'"}),
        ("libvirt", {"code": 0, "code_name": "VIR_ERR_OK", "message": "operation failed: x"}),
        ("xapi", {"error_description": [], "text": "there was not enough memory (needed 5 bytes)"}),
        ("xapi", {"error_description": ["", "domain has not been built"]}),
        ("xapi", {"status": "success", "error_info": [], "text": _STATE_TEXT}),
    ],
)
def test_a_code_of_no_error_with_a_text_that_tells_of_one_is_no_success(
    source: str, raw: dict[str, Any]
) -> None:
    assert _translated(source, raw) not in ("ERR_SUCCESS", "ERR_UNKNOWN")


def test_a_number_of_no_error_that_stands_alone_is_success() -> None:
    assert _translated("libvirt", {"code": 0, "message": ""}) == "ERR_SUCCESS"


_NO_MACHINE = "Domain not found: no domain with matching name 'a'"
_PRINTED = f"virError(Code=42, Domain=10, Message='{_NO_MACHINE}')"
_OF_KUBERNETES = {"type": "Synchronized", "status": "False", "reason": "x", "message": _PRINTED}
_LINE_OF_A_LOG = {"level": "error", "msg": "it did not start", "reason": _PRINTED}


@pytest.mark.parametrize(
    "raw",
    [
        {"code": 500, "created": "2024", "message": "no host", "details": f"x\n{_PRINTED}"},
        {"fault": {"code": 500, "created": "2024", "message": _NO_MACHINE}},
        {"itemNotFound": {"code": 404, "message": _NO_MACHINE}},
        {"fault": {"detail": f"[{_PRINTED}]", "reason": "Operation Failed"}},
        _OF_KUBERNETES,
        {"conditions": [{"type": "Ready", "status": "True", "message": "fine"}, _OF_KUBERNETES]},
        {"kind": "Status", "status": "Failure", "message": _NO_MACHINE, "code": 422},
        _LINE_OF_A_LOG,
        {"text": json.dumps(_LINE_OF_A_LOG)},
        {"text": f'time="2024" level=error msg="no start" error="{_NO_MACHINE}"'},
        {"changed": False, "msg": _NO_MACHINE, "rc": 1},
        {"text": f"fatal: [h]: FAILED! => {json.dumps({'changed': False, 'msg': _NO_MACHINE})}"},
        {"text": str({"code": 42, "message": _NO_MACHINE})},
        {"@level": "error", "diagnostic": {"summary": f"Error: {_NO_MACHINE}", "detail": ""}},
        {"severity": "error", "summary": f"no machine: {_NO_MACHINE}"},
        {"name": "org.libvirt.Error", "message": _NO_MACHINE},
        {"description": f"VM a is down with error. Exit message: {_NO_MACHINE}"},
        {"status": {"code": 1, "message": _NO_MACHINE}},
        {"errorcode": 530, "errortext": _NO_MACHINE},
        {"timestamp": 1, "status": 500, "error": "Internal Server Error", "message": _NO_MACHINE},
        {"name": "AggregateError", "message": "", "errors": [{"code": 42, "message": "x"}]},
        {"text": f'Error {{ code: X, domain: Qemu, message: "{_NO_MACHINE}", level: Error }}'},
        {"stack": f"Error: {_NO_MACHINE}\n    at x"},
    ],
    ids=str,
)
def test_what_a_program_wraps_around_an_error_of_libvirts_is_taken_off(raw: dict[str, Any]) -> None:
    fault = from_record({"source": "libvirt", "operation": "virDomainCreate", "raw": raw})
    assert fault.code == "42"
    assert translate(fault).code.name == "ERR_VM_NOT_FOUND"


_LOST_IMAGE = "qemu-system-x86_64: -drive file=/a.qcow2: Could not open '/a.qcow2': No such file"
_UNREACHED = "connect ECONNREFUSED 10.0.0.1:443"


@pytest.mark.parametrize(
    ("source", "raw", "expected"),
    [
        ("xapi", {"errors": [f"h1: {_STATE_TEXT}"], "message": "", "name": "Error"}, _WRONG_STATE),
        (
            "xapi",
            {"name": "AggregateError", "errors": [{"code": _STATE[0], "params": _STATE[1:]}]},
            _WRONG_STATE,
        ),
        (
            "xapi",
            {"code": 10, "message": "the peer failed", "data": {"message": _STATE_TEXT}},
            _WRONG_STATE,
        ),
        (
            "xapi",
            {"id": "0", "status": "failure", "result": {"code": _STATE[0], "params": _STATE[1:]}},
            _WRONG_STATE,
        ),
        ("xapi", {"changed": False, "msg": f"it failed: {_STATE!r}"}, _WRONG_STATE),
        (
            "qemu",
            {"type": "error", "error": _LOST_IMAGE, "error_code": 500},
            "CANNOT_ACCESS_DISK_FILE",
        ),
        ("qemu", {"metadata": {"err": _LOST_IMAGE}, "type": "sync"}, "CANNOT_ACCESS_DISK_FILE"),
        (
            "qemu",
            {"level": "fatal", "msg": "ends", "error": _LOST_IMAGE},
            "CANNOT_ACCESS_DISK_FILE",
        ),
        (
            "qemu",
            {"exitstatus": "start failed: it exited with code 1", "status": "stopped"},
            "VM_CONTROL_OP_FAILED",
        ),
        (
            "qemu",
            {"data": None, "errors": {"memory": "too small"}, "message": "wrong"},
            "VM_CONTROL_OP_FAILED",
        ),
        (
            "transport",
            {"message": "fetch failed", "cause": {"code": "ECONNREFUSED", "message": _UNREACHED}},
            _NO_CONNECTION,
        ),
        ("transport", {"error": {"message": _UNREACHED}}, _NO_CONNECTION),
        ("xend", {"error": {"faultCode": 3, "faultString": "nope"}}, "VM_NOT_FOUND"),
    ],
    ids=str,
)
def test_what_a_program_wraps_around_any_error_is_taken_off(
    source: str, raw: dict[str, Any], expected: str
) -> None:
    assert _translated(source, raw, "(start)" if source == "qemu" else "VM.start") == (
        f"ERR_{expected}"
    )


def test_words_of_wrappers_are_kept_from_the_general_to_the_special() -> None:
    raw = {"detail": "no room", "reason": "Operation Failed", "errors": {"memory": "too small"}}
    fault = from_record({"source": "libvirt", "operation": "virDomainCreate", "raw": raw})
    assert fault.text == "Operation Failed\nno room\nmemory: too small"


_UNKNOWN_FORMS: list[dict[str, Any]] = [
    {},
    {"foo": 1},
    {"text": ""},
    {"text": None},
    {"Status": "Success", "Value": "OpaqueRef:1"},
    {"return": {}},
    {"code": None, "params": None, "message": None, "desc": None},
    {"name": "Error", "message": ""},
    {"level": "error", "time": "2024"},
    {"conditions": [{"type": "Ready", "status": "True", "message": "fine"}]},
]


def test_a_domain_of_libvirts_has_its_name_whether_it_came_as_a_number_or_not() -> None:
    for domain in (10, "10", "VIR_FROM_QEMU"):
        record = {"source": "libvirt", "raw": {"code": 1, "domain": domain, "message": "x"}}
        assert from_record(record).arguments[1] == "VIR_FROM_QEMU"


@pytest.mark.parametrize("source", sorted(EXPECTED))
@pytest.mark.parametrize("raw", _UNKNOWN_FORMS, ids=str)
def test_an_unknown_form_is_refused_with_the_fields_that_are_expected(
    source: str, raw: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="expected: ") as refused:
        from_record({"source": source, "raw": raw})
    assert EXPECTED[source] in str(refused.value)


_names = st.sampled_from(
    sorted(
        {word for text in EXPECTED.values() for word in re.findall(r"[\w-]+", text)}
        | {"io-status", "call", "syscall"}
    )
)
_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_names | st.text(max_size=5), inner)
    ),
    max_leaves=10,
)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(sorted(EXPECTED)), st.dictionaries(_names, _anything, max_size=5))
def test_any_json_is_read_or_refused_by_name(source: str, raw: dict[str, Any]) -> None:
    try:
        fault = from_record({"source": source, "raw": raw, "operation": "VM.start"})
    except ValueError as error:
        refused = str(error)
    else:
        assert translate(fault).fault is fault
        return
    assert "expected: " in refused


@pytest.mark.parametrize(
    ("exception", "text", "phase", "code"),
    [
        ("Error", "connect ECONNREFUSED 10.0.0.1:443", "connect", "ECONNREFUSED"),
        ("SSLError", "[SSL: WRONG_VERSION_NUMBER] wrong version number", "tls", "SSLError"),
        ("OSError", "[Errno 24] Too many open files", "before_send", "EMFILE"),
        ("Error", "read ECONNRESET", "after_send", "ECONNRESET"),
        ("Error", "503 Service Unavailable", "after_send", "HTTP_503"),
        ("TimeoutError", "timed out", "", "ETIMEDOUT"),
        ("x.KeyError", "'a'", "", "KeyError"),
    ],
)
def test_phase_and_errno_come_from_the_words_where_they_tell(
    exception: str, text: str, phase: str, code: str
) -> None:
    raw = {"exception": exception, "text": text}
    fault = from_record({"source": "transport", "raw": raw})
    assert (fault.arguments[0], fault.code) == (phase, code)
