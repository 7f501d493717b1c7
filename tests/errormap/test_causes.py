"""Causes that are printed inside other errors are found, whatever their spelling, two deep."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtcim.errormap import Fault, from_record, from_transport, from_xapi, rules, translate
from virtcim.errormap.forms.causes import LIBVIRT_CARRIER, cause_in
from virtcim.errormap.forms.constructors import as_server_error
from virtcim.errormap.forms.printed import constructed, listed, unquoted

Print = Callable[[list[str]], str]


def _quoted(words: list[str]) -> str:
    return "; ".join(f'"{word}"' for word in words)


# The spellings in which programs print an error of XAPI's.
_PRINTED: dict[str, Print] = {
    "server": lambda w: f"Server_error({w[0]}, [ {'; '.join(w[1:])} ])",
    "older": lambda w: f'Api_errors.Server_error("{w[0]}", [ {_quoted(w[1:])} ])',
    "python": lambda w: f"XenAPI.Failure: {w}",
    "unicode": lambda w: "Failure: [" + ", ".join(f"u{word!r}" for word in w) + "]",
    "json": lambda w: f"error {json.dumps(w)} of the task",
    "opterr": lambda w: f"The SR is not available [opterr={w}]",
    "client": lambda w: f"{w[0]}({', '.join(w[1:])})",
    "handler": lambda w: f"{w[0]}: [ {'; '.join(w[1:])} ]",
    "wire": lambda w: (
        "<member><name>ErrorDescription</name><value><array><data>"
        + "".join(f"<value><string>{word}</string></value>" for word in w)
        + "</data></array></value></member>"
    ),
    "field": lambda w: json.dumps({"Status": "Failure", "ErrorDescription": w}),
    "orchestra": lambda w: json.dumps({"code": w[0], "params": w[1:], "name": "XapiError"}),
    "rpc": lambda w: json.dumps({"error": {"code": 1, "message": w[0], "data": w[1:]}}),
    "tool": lambda w: f"Error code: {w[0]}\nError parameters: {', '.join(w[1:])}",
    "back end": lambda w: (
        f"Storage_error ([S(Backend_error);[S({w[0]});[{';'.join(f'S({x})' for x in w[1:])}]]])"
    ),
    "older back end": lambda w: f"Storage_interface.Backend_error({w[0]}, [ {'; '.join(w[1:])} ])",
    "xenopsd": lambda w: (
        "Xenops_interface.Xenopsd_error([S(Storage_backend_error);"
        f"[S({w[0]});[{';'.join(f'S({x})' for x in w[1:])}]]])"
    ),
}
_ERRORS = [
    ["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""],
    ["VDI_IN_USE", "OpaqueRef:1", "destroy"],
    ["HANDLE_INVALID", "VM", "OpaqueRef:9d1"],
    ["VM_BAD_POWER_STATE", "OpaqueRef:1", "halted", "running"],
    ["HOST_NOT_ENOUGH_FREE_MEMORY", "4294967296", "1073741824"],
    ["SESSION_INVALID", "OpaqueRef:1"],
]
# What a text of XAPI's, xend's, libvirt's or a server's page puts around it.
_WRAPPED: dict[str, Callable[[str], str]] = {
    "bare": lambda text: text,
    "failure": lambda text: f'(Failure "{text.replace(chr(34), chr(92) + chr(34))}")',
    "xenopsd": lambda text: f"xenopsd internal error: {text}",
    "traceback": lambda text: (
        f'Traceback (most recent call last):\n  File "/x.py", line 3, in f\n    g()\n{text}'
    ),
    "xend": lambda text: f"Error occurred: <Fault 2: {text!r}>",
    "libvirt": lambda text: f"libvirt: XenAPI Driver error : internal error: {text}",
    "child": lambda text: (
        "internal error: Child process (/etc/libvirt/hooks/qemu a prepare begin -) unexpected"
        f" exit status 1: {text}"
    ),
}


def _causes(fault: Fault | None) -> list[Fault]:
    found = []
    while fault is not None and fault.cause is not None:
        fault = fault.cause
        found.append(fault)
    return found


@pytest.mark.parametrize("error", _ERRORS, ids=lambda error: error[0])
@pytest.mark.parametrize("spelling", _PRINTED)
@pytest.mark.parametrize("wrapping", _WRAPPED)
def test_an_error_is_found_in_every_spelling_inside_every_other(
    error: list[str], spelling: str, wrapping: str
) -> None:
    text = _WRAPPED[wrapping](_PRINTED[spelling](error))
    fault = from_xapi(["INTERNAL_ERROR", text], operation="VM.start")
    assert fault.arguments == (text,)
    innermost = _causes(fault)[-1]
    assert (innermost.source, innermost.code) == ("xapi", error[0])
    assert [word for word in innermost.arguments if word] == [word for word in error[1:] if word]
    assert translate(innermost).code == translate(from_xapi(error, operation="VM.start")).code


_CODES = sorted(
    {code for rule in rules() if rule.source == "xapi" for code in rule.code}
    - {code for rule in rules() for code in rule.code if not re.fullmatch(r"[A-Z][A-Z0-9_]+", code)}
    - {LIBVIRT_CARRIER}
)


@pytest.mark.parametrize("spelling", _PRINTED)
def test_every_code_of_the_table_is_found_in_every_spelling(spelling: str) -> None:
    missed = []
    for code in _CODES:
        text = f"xenopsd internal error: {_PRINTED[spelling]([code, 'OpaqueRef:1', 'start'])}"
        cause = from_xapi(["INTERNAL_ERROR", text]).cause
        if cause is None or (cause.code, cause.arguments) != (code, ("OpaqueRef:1", "start")):
            missed.append(code)
    assert len(_CODES) > 600
    assert missed == []


@pytest.mark.parametrize("error", _ERRORS, ids=lambda error: error[0])
@pytest.mark.parametrize("spelling", _PRINTED)
@pytest.mark.parametrize("status", [200, 500])
def test_the_page_of_an_import_names_its_cause(
    error: list[str], spelling: str, status: int
) -> None:
    printed = _PRINTED[spelling](error)
    if spelling != "wire":
        printed = printed.replace('"', "&quot;")
    fault = from_transport(
        phase="after_send",
        http_status=status,
        content_type="text/html",
        body=f"<html><body><h1>HTTP {status} internal server error</h1>{printed}</body></html>",
        operation="VM.import",
    )
    assert fault.cause is not None
    assert (fault.cause.source, fault.cause.code) == ("xapi", error[0])
    assert translate(fault).code == translate(from_xapi(error, operation="VM.import")).code


def test_a_page_that_a_program_logged_as_text_names_its_cause_too() -> None:
    printed = _PRINTED["older"](["SR_FULL", "1"]).replace('"', "&quot;")
    page = f"<html><h1>HTTP 500</h1>{printed}</html>"
    record = {"source": "transport", "operation": "VDI.import", "raw": {"text": page}}
    fault = from_record(record)
    assert [cause.code for cause in _causes(fault)] == ["SR_FULL"]
    assert fault.code == "HTTP_500"
    assert translate(fault).code.name == "ERR_OUT_OF_DISK_SPACE"


_FULL = "Could not write to '/a.img': No space left on device"


@pytest.mark.parametrize(
    ("message", "source", "code", "operation", "text"),
    [
        (f"internal error: unable to execute QEMU command 'block-commit': {_FULL}",
         "qemu", "GenericError", "block-commit", _FULL),
        (f"erreur interne : impossible d'exécuter la commande QEMU « device_add » : {_FULL}",
         "qemu", "GenericError", "device_add", _FULL),
        (f"\u65e0\u6cd5\u6267\u884c QEMU \u547d\u4ee4 'device_add'\N{FULLWIDTH COLON}{_FULL}",
         "qemu", "GenericError", "device_add", _FULL),
        (f"internal error: unable to execute QEMU agent command 'guest-exec': {_FULL}",
         "qemu", "GenericError", "guest-exec", _FULL),
        (f"operation failed: job 'commit-sda' failed: {_FULL}",
         "qemu", "GenericError", "virDomainCreate", _FULL),
        (f"operation failed: migration out job: {_FULL}",
         "qemu", "GenericError", "virDomainCreate", _FULL),
        (f"internal error: process exited while connecting to monitor: {_FULL}",
         "qemu", "exit", "virDomainCreate", _FULL),
        (f"internal error: QEMU unexpectedly closed the monitor (vm='a'): {_FULL}",
         "qemu", "exit", "virDomainCreate", _FULL),
        (f"Child process (X=C /usr/bin/qemu-kvm -help) unexpected exit status 1: {_FULL}",
         "qemu", "exit", "virDomainCreate", _FULL),
        (f"internal error: Child process (/sbin/lvs vg) unexpected fatal signal 9: {_FULL}",
         "libvirt", "exit", "virDomainCreate", _FULL),
        (f"Hook script execution failed: Child process (/h a) unexpected exit status 1: {_FULL}",
         "libvirt", "exit", "virDomainCreate", _FULL),
        (f"failed to communicate with bridge helper: x\nstderr={_FULL}",
         "libvirt", "exit", "virDomainCreate", _FULL),
        (f"internal error: Process exited prior to exec: libvirt:  QEMU Driver error : {_FULL}",
         "libvirt", "38", "virDomainCreate", _FULL),
        (f'POST operation failed: xend_post: error from xen daemon: (xend.err "{_FULL}")',
         "xend", "2", "virDomainCreate", _FULL),
        (f"libvirt.libvirtError: internal error: {_FULL}",
         "libvirt", "1", "virDomainCreate", f"internal error: {_FULL}"),
    ],
)  # fmt: skip
def test_what_libvirt_wraps_is_its_cause_with_the_operation_it_names(
    message: str, source: str, code: str, operation: str, text: str
) -> None:
    record = {
        "source": "libvirt",
        "operation": "virDomainCreate",
        "raw": {"message": message},
    }
    fault = from_record(record)
    assert fault.text == message
    assert fault.cause is not None
    assert (fault.cause.source, fault.cause.code, fault.cause.operation, fault.cause.text) == (
        source,
        code,
        operation,
        text,
    )


def test_the_agent_in_the_guest_is_told_from_the_emulator() -> None:
    message = "unable to execute QEMU agent command 'guest-get-fsinfo': disabled"
    (cause,) = _causes(from_record({"source": "libvirt", "raw": {"message": message}}))
    assert cause.arguments == ("channel=guest-agent",)


@pytest.mark.parametrize("ending", ["unexpectedly failed", "canceled by client"])
def test_a_job_that_says_nothing_of_the_reason_has_no_cause(ending: str) -> None:
    message = f"operation failed: migration out job: {ending}"
    assert _causes(from_record({"source": "libvirt", "raw": {"message": message}})) == []


def test_causes_are_unwrapped_through_three_sources() -> None:
    inner = "internal error: unable to execute QEMU command 'blockdev-add': Could not open '/a'"
    array = ["LIBVIRT_ERROR", "1", "VIR_ERR_INTERNAL_ERROR", "VIR_FROM_QEMU", inner, "", "-1"]
    fault = from_xapi(["INTERNAL_ERROR", f'(Failure "{_PRINTED["server"](array)}")'])
    assert [cause.source for cause in _causes(fault)] == ["xapi", "libvirt", "qemu"]
    assert _causes(fault)[-1].operation == "blockdev-add"


_CONSTRUCTORS = [
    ("Does_not_exist", ["VM", "u"], "HANDLE_INVALID"),
    ("Does_not_exist", ["VBD", "u"], "INTERNAL_ERROR"),
    ("Bad_power_state", ["Halted", "Running"], "VM_BAD_POWER_STATE"),
    ("Failed_to_shutdown", ["u", "1200."], "VM_SHUTDOWN_TIMEOUT"),
    ("Failed_to_start_emulator", ["u", "qemu", "x"], "FAILED_TO_START_EMULATOR"),
    ("Bootloader_error", ["u", "x"], "BOOTLOADER_FAILED"),
    ("Not_enough_memory", ["1024"], "INTERNAL_ERROR"),
    ("Cannot_free_this_much_memory", ["1", "2"], "HOST_NOT_ENOUGH_FREE_MEMORY"),
    ("Media_not_present", [], "VBD_IS_EMPTY"),
    ("Domain_does_not_exist", [], "INTERNAL_ERROR"),
    ("Device_disconnect_timeout", ["x"], "DEVICE_DETACH_TIMEOUT"),
    ("Hook_failed", ["s", "r", "o", "1"], "XAPI_HOOK_FAILED"),
    ("Cancelled", ["task"], "TASK_CANCELLED"),
    ("Internal_error", ["x"], "INTERNAL_ERROR"),
    ("Sr_not_attached", ["u"], "SR_NOT_ATTACHED"),
    ("Sr_does_not_exist", ["u"], "SR_NOT_ATTACHED"),
    ("Sr_unhealthy", ["u", "Unreachable"], "SR_UNHEALTHY"),
    ("Vdi_does_not_exist", ["u"], "VDI_MISSING"),
    ("Illegal_transition", ["Attached", "Activated"], "OPERATION_NOT_ALLOWED"),
    ("Not_enough_space", [], "SR_BACKEND_FAILURE_44"),
    ("Activated_on_another_host", ["u"], "VDI_IN_USE"),
    ("No_storage_plugin_for_sr", ["u"], "SR_NOT_ATTACHED"),
    ("Content_ids_do_not_match", ["a", "b"], "VDI_COPY_FAILED"),
    ("Migration_mirror_failure", ["x"], "MIRROR_FAILED"),
    ("Unimplemented", ["VDI.revert"], "UNIMPLEMENTED_IN_SM_BACKEND"),
]


@pytest.mark.parametrize(("name", "arguments", "code"), _CONSTRUCTORS)
@pytest.mark.parametrize(
    "interface", ["Storage_error", "Xenopsd_error", "rpc", "exception", "json", "log", "symbolic"]
)
def test_exceptions_of_the_servers_parts_get_the_code_that_the_server_has_for_them(
    name: str, arguments: list[str], code: str, interface: str
) -> None:
    values = [f"S({argument})" for argument in arguments]
    value = f"S({name})"
    if values:
        carried = values[0] if len(values) == 1 else f"[{';'.join(values)}]"
        value = f"[S({name});{carried}]"
    quoted = ", ".join(f'"{argument}"' for argument in arguments)
    text = {
        "Storage_error": f"Storage_error ({value})",
        "Xenopsd_error": f"xenopsd internal error: Xenops_interface.Xenopsd_error({value})",
        "rpc": f"Storage_interface.Storage_error({value})",
        "exception": f"Xenops_interface.{name}({quoted})",
        "json": json.dumps(["Storage_error", [name, arguments]]),
        "log": f"cannot go on: {json.dumps([name, *arguments])}: cleaning up",
        "symbolic": f"raised ({name} ({' '.join(arguments)}))",
    }[interface]
    found = _causes(from_xapi(["INTERNAL_ERROR", text]))
    if interface == "symbolic" and "_" not in name:
        # A single word in brackets may be anybody's.
        assert found == []
    else:
        assert (found[0].code, found[0].operation) == (code, "")


def test_what_an_exception_in_json_carries_are_the_arguments_of_the_error() -> None:
    text = '7|server] cannot transmit it: ["Bad_power_state",["Halted","Running"]]'
    fault = from_record({"source": "xapi", "operation": "VM.start", "raw": {"text": text}})
    assert (fault.code, fault.arguments) == ("VM_BAD_POWER_STATE", ("", "Running", "Halted"))
    text = '["Storage_error",["Backend_error",["SR_BACKEND_FAILURE_44",["","It is full",""]]]]'
    (cause, *_) = _causes(from_xapi(["INTERNAL_ERROR", text]))
    assert (cause.code, cause.arguments[:2]) == ("SR_BACKEND_FAILURE_44", ("", "It is full"))
    cut_off = text[: text.index("It is")]
    assert _causes(from_xapi(["INTERNAL_ERROR", cut_off]))[0].code == "SR_BACKEND_FAILURE_44"


def test_an_exception_that_no_code_stands_for_decides_nothing() -> None:
    assert as_server_error("Unknown_error", []) is None
    text = "Xenops_interface.Xenopsd_error(S(Unknown_error))"
    assert _causes(from_xapi(["INTERNAL_ERROR", text])) == []


@pytest.mark.parametrize(
    "text",
    [
        "BDRV_O_INACTIVE) failed: Assertion `X_Y(z)'",
        "option ['FOO_BAR', 'x'] is unknown",
        "ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy",
        "this QEMU binary lacks 'vga': it is old",
        "Failed to open file 'stderr.log': no job",
        'the members ["Running", "Cancel_all"] of it',
        "it is gone (Cancelled by nobody_known) or not (Some_thing else)",
    ],
)
def test_what_only_looks_like_a_printed_error_is_none(text: str) -> None:
    assert cause_in([text], "VM.start") is None


def test_the_output_of_a_plugin_is_asked_for_what_it_says() -> None:
    output = '{"returncode": 5, "command": ["lvcreate"], "stderr": "No space left on device"}'
    fault = from_xapi(["XENAPI_PLUGIN_FAILURE", "non-zero exit", output, ""], operation="SR.scan")
    assert _causes(fault)[0].arguments == ("No space left on device",)
    raised = 'Traceback (most recent call last):\n  File "/x"\nOSError: [Errno 28] No space left'
    fault = from_xapi(["XENAPI_PLUGIN_FAILURE", "run", "OSError", raised])
    assert (_causes(fault)[0].code, _causes(fault)[0].arguments) == (
        "OSError",
        ("[Errno 28] No space left",),
    )


_BEGINNINGS = [
    "Server_error(A_B, [ ", "Api_errors.Server_error(\"VDI_IN_USE\", [ \"", "['VDI_IN_USE', '",
    '["VDI_IN_USE", "', "['VDI_IN_USE', ['", "VDI_IN_USE(", "VDI_IN_USE: [ ", "<Fault 1: '",
    "Storage_error ([S(", "Storage_error ([", "[S(Backend_error);", "Domain.Not_enough_memory(",
    "Child process (", "Child process (a) unexpected exit status 1: ", "stderr=", "libvirt: ",
    "job 'a", "unable to execute QEMU command 'a-b", "QEMU 'a-b': ", '(xend.err "', '(Failure "',
    "Traceback (most recent call last)\n", "Error code: ", "<name>ErrorDescription</name>",
    "ErrorDescription: [", '"code": "VDI_IN_USE", "params": [', "libvirtError('", "{", "[", "(",
    '"stderr": "', "\\", "QMP_Error(1, \"", "Backend_error(", '["Bad_power_state",["',
    '["Bad_power_state" ', "(Bad_power_state (", '(Bad_power_state "',
]  # fmt: skip


@pytest.mark.parametrize("beginning", _BEGINNINGS)
def test_a_long_text_of_beginnings_is_looked_through_quickly(beginning: str) -> None:
    text = beginning * (300_000 // len(beginning))
    started = time.process_time()
    fault = from_xapi(["INTERNAL_ERROR", text])
    # An exponential or quadratic pattern would take minutes here, not seconds.
    assert time.process_time() - started < 20
    assert fault.arguments == (text,)
    assert len(_causes(fault)) <= 16


_pieces = st.lists(
    st.sampled_from(
        [*_BEGINNINGS, *(spell(_ERRORS[0]) for spell in _PRINTED.values()), "])", "'", '"', ">"]
    )
    | st.text(max_size=12),
    max_size=8,
).map("".join)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(_pieces, st.sampled_from(["xapi", "xend", "libvirt", "qemu", "transport"]))
def test_unwrapping_never_fails_and_never_loses_the_text(text: str, source: str) -> None:
    raw: dict[str, Any] = {
        "xapi": {"error_description": ["INTERNAL_ERROR", text]},
        "xend": {"fault_code": 2, "fault_string": text},
        "libvirt": {"code": 1, "message": text},
        "qemu": {"class": "GenericError", "desc": text},
        "transport": {"phase": "after_send", "message": text},
    }[source]
    fault = from_record({"source": source, "raw": raw})
    assert (fault.arguments[0] if source == "xapi" else fault.text) == text
    assert len(_causes(fault)) <= 16
    assert translate(fault).fault is fault


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(alphabet="ab '\"\\\n,;[]()é", max_size=8), min_size=1, max_size=5))
def test_lists_that_python_and_json_print_are_read_back(words: list[str]) -> None:
    for printed in (repr(words), json.dumps(words), json.dumps(words, ensure_ascii=False)):
        found = listed(printed, 0)
        assert found is not None
        assert found == (words, len(printed))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_looked_at_as_a_printed_value(text: str) -> None:
    listed(text, 0)
    constructed(text, 0)
    assert isinstance(unquoted(text), str)
    assert isinstance(constructed(f"Name({text}", 0), tuple | None)
    assert re.escape(text) is not None
