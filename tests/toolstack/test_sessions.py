"""Logging in, and what every call checks before it is made."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable
from typing import Any

import pytest
import XenAPI

from tests.toolstack.host import NULL, Host, failure, only, running_host
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.sessions import Sessions


def raw(host: Host, method: str, *params: object) -> dict[str, Any]:
    """Call without the official module, which logs in again by itself."""
    with xmlrpc.client.ServerProxy(host.url) as proxy:
        answer: dict[str, Any] = getattr(proxy, method)(*params)  # type: ignore[assignment]
    return answer


@pytest.mark.parametrize("more", [(), ("1.0",), ("1.0", "somebody")])
def test_login_takes_two_to_four_arguments(host: Host, more: tuple[str, ...]) -> None:
    answer = raw(host, "session.login_with_password", "root", "", *more)
    assert answer["Status"] == "Success"
    record = raw(host, "session.get_record", answer["Value"], answer["Value"])["Value"]
    assert (record["auth_user_name"], record["originator"]) == ("root", "".join(more[1:]))


@pytest.mark.parametrize("arguments", [(), ("root",), ("a", "b", "c", "d", "e")])
def test_login_with_another_number_of_arguments_is_refused(
    host: Host, arguments: tuple[str, ...]
) -> None:
    assert raw(host, "session.login_with_password", *arguments) == {
        "Status": "Failure",
        "ErrorDescription": [
            "MESSAGE_PARAMETER_COUNT_MISMATCH",
            "session.login_with_password",
            "4",
            str(len(arguments)),
        ],
    }


def test_a_session_that_logged_out_is_invalid(host: Host) -> None:
    ref = raw(host, "session.login_with_password", "root", "")["Value"]
    assert raw(host, "session.logout", ref) == {"Status": "Success", "Value": ""}
    assert raw(host, "VM.get_all", ref)["ErrorDescription"] == ["SESSION_INVALID", ref]


def test_calls_without_a_session_are_refused(host: Host) -> None:
    assert raw(host, "VM.get_all", "")["ErrorDescription"] == ["SESSION_INVALID", ""]
    assert raw(host, "VM.get_all", 7)["ErrorDescription"] == ["FIELD_TYPE_ERROR", "session_id"]
    assert raw(host, "VM.get_all")["ErrorDescription"] == [
        "MESSAGE_PARAMETER_COUNT_MISMATCH",
        "VM.get_all",
        "0",
        "0",
    ]


def test_a_session_knows_its_host(api: Any, session: XenAPI.Session) -> None:
    [host] = api.host.get_all()
    assert api.session.get_this_host(session.handle) == host
    assert api.pool.get_master(api.pool.get_all()[0]) == host
    assert session.API_version == "2.21"


def test_passwords_are_asked_for_on_tcp(host_uri: str) -> None:
    with running_host(host_uri, authenticate=lambda user, word: (user, word) == ("ann", "s")) as h:
        assert raw(h, "session.login_with_password", "ann", "s")["Status"] == "Success"
        refused = raw(h, "session.login_with_password", "ann", "t")["ErrorDescription"]
        assert refused[:2] == ["SESSION_AUTHENTICATION_FAILED", "ann"]


def test_a_session_ends_when_it_is_idle() -> None:
    now = [0.0]
    sessions = Sessions(idle_s=10, most=500, clock=lambda: now[0])
    used, idle = sessions.open("a", "", NULL), sessions.open("b", "", NULL)
    now[0] = 9.0
    assert sessions.require(used) == used
    now[0] = 11.0
    assert sessions.require(used) == used
    with pytest.raises(XapiFailure) as caught:
        sessions.require(idle)
    assert caught.value.description == ("SESSION_INVALID", idle)


def test_the_session_longest_idle_gives_way_to_too_many() -> None:
    now = [0.0]
    sessions = Sessions(idle_s=1000, most=500, clock=lambda: now[0])
    first, second = sessions.open("a", "", NULL), sessions.open("a", "", NULL)
    now[0] = 1.0
    sessions.require(first)
    for _ in range(499):
        sessions.open("a", "", NULL)
    assert sessions.get(first) is not None
    assert sessions.get(second) is None


# What every call checks


def test_an_unknown_method_is_named(api: Any) -> None:
    assert failure(api.VM.levitate, "x") == ["MESSAGE_METHOD_UNKNOWN", "VM.levitate"]
    assert failure(api.Async.VM.levitate, "x") == ["MESSAGE_METHOD_UNKNOWN", "Async.VM.levitate"]


def test_the_number_of_arguments_is_counted_without_the_session(
    api: Any, session: XenAPI.Session
) -> None:
    vm = only(session, "VM", "runs")
    for arguments in ((), (vm,), (vm, False), (vm, False, False, False)):
        assert failure(api.VM.start, *arguments) == [
            "MESSAGE_PARAMETER_COUNT_MISMATCH",
            "VM.start",
            "3",
            str(len(arguments)),
        ]


def test_a_call_without_asynchronous_mode_says_so(api: Any, session: XenAPI.Session) -> None:
    assert failure(api.Async.VM.get_record, only(session, "VM", "runs")) == [
        "Fault",
        "No async mode for this operation (rpc: Async.VM.get_record)",
    ]


@pytest.mark.parametrize(
    ("method", "arguments", "parameter"),
    [
        ("VM.get_record", (7,), "self"),
        ("VM.start", ("{vm}", "yes", False), "start_paused"),
        ("VM.set_memory", ("{vm}", "much"), "value"),
        ("VM.set_memory", ("{vm}", True), "value"),
        ("VM.set_memory", ("{vm}", 1.5), "value"),
        ("VM.set_other_config", ("{vm}", []), "value"),
        ("VM.set_other_config", ("{vm}", {"a": 1}), "value"),
        ("VM.set_tags", ("{vm}", "x"), "value"),
        ("VM.set_tags", ("{vm}", [1]), "value"),
        ("VM.create", ("x",), "args"),
        ("VM.create", ({"name_label": 1, "memory_static_max": "1"},), "name_label"),
        ("VM.create", ({"name_label": "n", "memory_static_max": {}},), "memory_static_max"),
        ("event.from", ("vm", "", 0.0), "classes"),
        ("event.from", (["vm"], "", "soon"), "timeout"),
    ],
)
def test_an_argument_of_the_wrong_type_is_named(
    session: XenAPI.Session, method: str, arguments: tuple[Any, ...], parameter: str
) -> None:
    vm = only(session, "VM", "runs")
    given = tuple(vm if argument == "{vm}" else argument for argument in arguments)
    assert failure(getattr(session.xenapi, method), *given) == ["FIELD_TYPE_ERROR", parameter]


def test_numbers_beyond_64_bits_are_refused(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "rests")
    details = failure(api.VM.set_memory, vm, str(2**63))
    assert details == ["VALUE_NOT_SUPPORTED", "value", str(2**63), "does not fit 64 bits"]


def test_plain_integers_are_as_good_as_decimal_strings(api: Any, session: XenAPI.Session) -> None:
    vm = only(session, "VM", "rests")
    api.VM.set_memory(vm, 64 << 20)
    assert api.VM.get_memory_static_max(vm) == str(64 << 20)


@pytest.mark.parametrize("ref", ["", NULL, "OpaqueRef:nobody", "garbage"])
def test_a_dead_reference_is_named_with_its_class(api: Any, ref: str) -> None:
    for call, class_name in (
        (api.VM.get_record, "VM"),
        (api.VM.get_power_state, "VM"),
        (api.VBD.destroy, "VBD"),
        (api.VDI.destroy, "VDI"),
        (api.SR.scan, "SR"),
        (api.task.get_record, "task"),
        (api.session.get_record, "session"),
    ):
        assert failure(call, ref) == ["HANDLE_INVALID", class_name, ref]


def test_an_unknown_uuid_is_named_with_its_class(api: Any) -> None:
    assert failure(api.VM.get_by_uuid, "no-such") == ["UUID_INVALID", "VM", "no-such"]


def test_an_unexpected_exception_is_an_incident_without_its_text(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    session = host.login()
    vm = only(session, "VM", "rests")
    break_calls(host)
    details = failure(session.xenapi.VM.start, vm, False, False)
    assert details[0] == "INTERNAL_ERROR"
    incident = details[1].rpartition(" ")[2]
    assert "secret" not in details[1]
    assert any(
        record.getMessage() == f"incident {incident}: VM.start failed unexpectedly"
        for record in caplog.records
    )
    session("close")()


def break_calls(host: Host) -> None:
    def broken(_function: Callable[..., Any], *_arguments: object) -> Any:
        raise RuntimeError("secret")

    host.toolstack._connection.call = broken  # type: ignore[method-assign]


def test_a_session_ends_when_its_user_has_to_log_in_again() -> None:
    stamps: dict[str, object] = {"anna": 1, "bert": 1}
    sessions = Sessions(idle_s=1000, most=500, stamp=stamps.get)
    anna, bert = (sessions.open(one, "", NULL, stamps[one]) for one in ("anna", "bert"))
    trusted = sessions.open("anna", "", NULL)
    del stamps["anna"]
    with pytest.raises(XapiFailure, match="SESSION_INVALID"):
        sessions.require(anna)
    assert sessions.require(bert) == bert
    assert sessions.require(trusted) == trusted
