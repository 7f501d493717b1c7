"""CIM over HTTP: headers, methods, status codes, and clients that do not behave."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
import pywbem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cimserver.conftest import MakeProviders
from tests.cimserver.interposed import Interposed
from tests.cimserver.population import populate, system_uuid
from tests.cimserver.serving import (
    DEADLINE_S,
    NAMESPACE_PATH,
    Served,
    intrinsic,
    message,
    method,
    served,
)
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.waiting import wait_for
from virtcim.cim.records import ObjectPath, Record
from virtcim.cimserver import CimServer, Limits
from virtcim.mof import Schema

_CLASS = '<CLASSNAME NAME="VirtCIM_ComputerSystem"/>'
_SYSTEM_1 = (
    '<INSTANCENAME CLASSNAME="VirtCIM_ComputerSystem"><KEYBINDING NAME="CreationClassName">'
    '<KEYVALUE VALUETYPE="string">VirtCIM_ComputerSystem</KEYVALUE></KEYBINDING><KEYBINDING '
    'NAME="Name"><KEYVALUE VALUETYPE="string">00000000-0000-0000-0000-000000000001</KEYVALUE>'
    "</KEYBINDING></INSTANCENAME>"
)
_NAMES = intrinsic("EnumerateInstanceNames", ClassName=_CLASS)


def test_a_request_is_answered_with_the_headers_of_cim(server: Served) -> None:
    response = server.post(_NAMES)
    assert response.status_code == 200
    assert response.headers["CIMOperation"] == "MethodResponse"
    assert response.headers["Content-Type"] == 'application/xml; charset="utf-8"'
    assert response.text.count("<INSTANCENAME ") == 3


@pytest.mark.parametrize(
    "headers",
    [
        {"CIMProtocolVersion": "1.0"},
        {"CIMProtocolVersion": "1.4"},
        {"CIMMethod": "enumerateinstancenames", "CIMObject": "root/virt"},
        {"CIMObject": "root%2Fvirt"},
        {"CIMObject": "ROOT/virt"},
        {"CIMOperation": "methodcall"},
        {"Content_Type": "text/xml"},
        {"Content_Type": 'application/xml; charset="utf-8"'},
    ],
)
def test_headers_as_real_clients_send_them_are_accepted(
    server: Served, headers: Mapping[str, str]
) -> None:
    assert server.post(_NAMES, **headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status", "cim_error"),
    [
        ({"CIMOperation": ""}, 400, "unsupported-operation"),
        ({"CIMOperation": "Nonsense"}, 400, "unsupported-operation"),
        ({"CIMProtocolVersion": "2.0"}, 501, "unsupported-protocol-version"),
        ({"CIMBatch": "x"}, 501, "multiple-requests-unsupported"),
        ({"CIMMethod": "GetInstance"}, 400, "header-mismatch"),
        ({"CIMObject": "root/interop"}, 400, "header-mismatch"),
        ({"Content_Type": "application/json"}, 415, None),
        ({"Content_Type": ""}, 415, None),
        ({"Content_Type": "application/xml; charset=utf-16"}, 415, None),
        ({"Content_Encoding": "gzip"}, 415, None),
        ({"method": "GET"}, 405, None),
        ({"method": "HEAD"}, 405, None),
        ({"method": "PUT"}, 405, None),
        ({"method": "BREW"}, 501, None),
        ({"method": "M-POST"}, 510, None),
    ],
)
def test_headers_that_are_wrong_get_the_status_for_it(
    server: Served, headers: Mapping[str, str], status: int, cim_error: str | None
) -> None:
    response = server.post(_NAMES, **headers)
    assert response.status_code == status
    assert response.headers.get("CIMError") == cim_error
    assert "Traceback" not in response.text


@pytest.mark.parametrize(
    ("body", "status", "cim_error"),
    [
        ("", 400, "request-not-well-formed"),
        ("no xml", 400, "request-not-well-formed"),
        (_NAMES[:-20], 400, "request-not-well-formed"),
        (_NAMES + "<MORE/>", 400, "request-not-well-formed"),
        (_NAMES.encode("utf-16"), 400, "request-not-well-formed"),
        (_NAMES.encode("utf-16-le"), 400, "request-not-well-formed"),
        (_NAMES.replace("utf-8", "iso-8859-1"), 400, "request-not-well-formed"),
        (_NAMES.encode() + b"\xff\xfe", 400, "request-not-well-formed"),
        (_NAMES.replace("VirtCIM_", "\x00"), 400, "request-not-well-formed"),
        ("<html/>", 400, "request-not-loosely-valid"),
        (_NAMES.replace(' CIMVERSION="2.0"', ""), 400, "request-not-loosely-valid"),
        (_NAMES.replace(' ID="1"', ""), 400, "request-not-loosely-valid"),
        (_NAMES.replace("SIMPLEREQ", "SIMPLERSP"), 400, "request-not-loosely-valid"),
        (_NAMES.replace("IPARAMVALUE", "PARAMVALUE"), 400, "request-not-loosely-valid"),
        (_NAMES.replace(NAMESPACE_PATH, ""), 400, "request-not-loosely-valid"),
        (message('<IMETHODCALL NAME="GetClass"/>'), 400, "request-not-loosely-valid"),
        (message('<METHODCALL NAME="M"><A/></METHODCALL>'), 400, "request-not-loosely-valid"),
        (_NAMES.replace('CIMVERSION="2.0"', 'CIMVERSION="3.0"'), 501, "unsupported-cim-version"),
        (_NAMES.replace('DTDVERSION="2.0"', 'DTDVERSION="1.0"'), 501, "unsupported-dtd-version"),
        (
            _NAMES.replace('PROTOCOLVERSION="1.0"', 'PROTOCOLVERSION="2.0"'),
            501,
            "unsupported-protocol-version",
        ),
        (
            message("<SIMPLEREQ/><SIMPLEREQ/>", request="MULTIREQ"),
            501,
            "multiple-requests-unsupported",
        ),
    ],
)
def test_messages_that_are_wrong_get_the_status_for_it(
    server: Served, body: bytes | str, status: int, cim_error: str
) -> None:
    response = server.post(body)
    assert (response.status_code, response.headers["CIMError"]) == (status, cim_error)
    assert "Traceback" not in response.text


_ENTITIES = "".join(
    f'<!ENTITY {name} "{f"&{inner};" * 10}">'
    for inner, name in zip("abcdefghi", "bcdefghij", strict=True)
)
_BOMB = f'<!DOCTYPE CIM [<!ENTITY a "aaaaaaaaaa">{_ENTITIES}]><CIM>&j;</CIM>'


@pytest.mark.parametrize(
    "body",
    [
        _BOMB,
        '<!DOCTYPE CIM SYSTEM "file:///etc/passwd"><CIM/>',
        '<!DOCTYPE CIM [<!ENTITY x SYSTEM "file:///etc/passwd">]><CIM>&x;</CIM>',
        '<!DOCTYPE CIM [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x.dtd">%x;]><CIM/>',
    ],
)
def test_document_types_and_entities_are_refused(server: Served, body: str) -> None:
    response = server.post(body)
    assert response.status_code == 400
    assert "document type" in response.text
    assert "root:" not in response.text


def test_deep_nesting_is_refused(server: Served) -> None:
    response = server.post("<A>" * 100_000 + "</A>" * 100_000)
    assert response.status_code == 400
    assert "nested too deeply" in response.text


def test_too_many_elements_are_refused(server: Served) -> None:
    response = server.post("<A>" + "<B/>" * 200_000 + "</A>")
    assert response.status_code == 413


@pytest.mark.parametrize("chunked", [False, True])
def test_a_message_that_is_too_long_is_refused(server: Served, chunked: bool) -> None:
    size = Limits().request_bytes + 1
    with server.connect() as sock:
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
        head = f"POST / HTTP/1.1\r\nHost: x\r\nCIMOperation: MethodCall\r\n{length}\r\n"
        sock.sendall(f"{head}Content-Type: text/xml\r\n\r\n".encode())
        if chunked:
            piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
            sent = 0
            while sent < size:
                sock.sendall(piece)
                sent += 0x10000
        assert sock.recv(12) == b"HTTP/1.1 413"


def test_a_message_that_does_not_arrive_in_time_is_given_up(
    providers: Interposed, schema: Schema
) -> None:
    application = CimServer(providers, schema, authenticate=None, limits=Limits(body_timeout_s=0.2))
    with served(application) as server, server.connect() as sock:
        sock.sendall(_head(100) + b"<CIM")
        assert sock.recv(12) == b"HTTP/1.1 408"


def test_a_client_that_goes_away_harms_nobody(server: Served) -> None:
    for _ in range(5):
        with server.connect() as sock:
            sock.sendall(_head(1000) + b"<CIM")
    with server.connect() as sock:
        sock.sendall(_head(len(_NAMES)) + _NAMES.encode())
    assert server.post(_NAMES).status_code == 200


def test_more_requests_than_the_limit_are_refused_and_the_rest_served(
    endpoint: SimulatedEndpoint, providers: Interposed, schema: Schema
) -> None:
    endpoint.gate.clear()
    limits = Limits(concurrent_requests=1)
    with served(CimServer(providers, schema, authenticate=None, limits=limits)) as server:
        calls: list[object] = []
        caller = threading.Thread(
            target=lambda: calls.append(_call_state_change(server)), daemon=True
        )
        caller.start()
        wait_for(lambda: endpoint.held == 1)
        refused = server.post(_NAMES)
        endpoint.gate.set()
        caller.join(DEADLINE_S)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert calls == [0]
        assert server.post(_NAMES).status_code == 200


def test_many_clients_at_once_get_their_own_answers(
    server: Served, endpoint: SimulatedEndpoint
) -> None:
    populate(endpoint, range(40))
    wrong: list[str] = []

    def ask(first: int) -> None:
        connection = server.pywbem()
        for number in range(first, 40, 4):
            keys = {"CreationClassName": "VirtCIM_ComputerSystem", "Name": system_uuid(number)}
            got = connection.GetInstance(pywbem.CIMInstanceName("VirtCIM_ComputerSystem", keys))
            if got["ElementName"] != f"vm-{number}":
                wrong.append(got["ElementName"])

    clients = [threading.Thread(target=ask, args=(first,), daemon=True) for first in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(DEADLINE_S)
    assert not any(client.is_alive() for client in clients)
    assert wrong == []


def test_reads_are_answered_while_methods_wait(server: Served, endpoint: SimulatedEndpoint) -> None:
    populate(endpoint, range(8))
    endpoint.gate.clear()
    results: list[object] = []
    callers = [
        threading.Thread(
            target=lambda number=number: results.append(_call_state_change(server, number)),
            daemon=True,
        )
        for number in range(8)
    ]
    for caller in callers:
        caller.start()
    try:
        wait_for(lambda: endpoint.held == 8)
        assert server.post(_NAMES).status_code == 200
    finally:
        endpoint.gate.set()
    for caller in callers:
        caller.join(DEADLINE_S)
    assert results == [0] * 8


def test_one_instance_is_read_while_long_reads_take_all_their_threads(
    make_providers: MakeProviders, schema: Schema
) -> None:
    entered, leave = threading.Semaphore(0), threading.Event()

    class Slow(Interposed):
        at_once = True

        def reads_at_once(self, path: ObjectPath) -> bool:
            return self.at_once and super().reads_at_once(path)

        def enumerate_instances(self, namespace: str, class_name: str) -> Iterable[Record]:
            entered.release()
            assert leave.wait(DEADLINE_S)
            return super().enumerate_instances(namespace, class_name)

    endpoint = SimulatedEndpoint(0)
    populate(endpoint, (1, 2, 3))
    providers = Slow(make_providers(endpoint), schema)
    limits = Limits(read_threads=1)
    with served(CimServer(providers, schema, authenticate=None, limits=limits)) as server:
        lists: list[str] = []
        readers = [
            threading.Thread(target=lambda: lists.append(server.ask(_NAMES).text), daemon=True)
            for _ in range(2)
        ]
        for reader in readers:
            reader.start()
        try:
            assert entered.acquire(timeout=DEADLINE_S)
            get = intrinsic("GetInstance", InstanceName=_SYSTEM_1)
            assert server.ask(get).text.count("<INSTANCE ") == 1
            assert server.ask(intrinsic("Associators", ObjectName=_SYSTEM_1)).status == 0
            assert lists == []
        finally:
            leave.set()
        for reader in readers:
            reader.join(DEADLINE_S)
        assert [text.count("<INSTANCENAME ") for text in lists] == [3, 3]
        # What may take long is read in a thread, and gives the same.
        providers.at_once = False
        assert server.ask(get).text.count("<INSTANCE ") == 1


def test_a_list_is_answered_the_same_however_often_until_something_changes(
    make_providers: MakeProviders, schema: Schema
) -> None:
    # More than one piece of a message, with the list's text and without.
    endpoint = SimulatedEndpoint(systems=400)
    enumerate_all = intrinsic("EnumerateInstances", ClassName=_CLASS)
    with served(CimServer(make_providers(endpoint), schema, authenticate=None)) as server:
        answers = [server.ask(enumerate_all).text for _ in range(4)]
        assert answers[0].count("<INSTANCE ") == 400
        assert answers[1:] == answers[:1] * 3
        endpoint.replace(replace(endpoint.systems[3], name_label="another name"))
        changed = server.ask(enumerate_all).text
        assert changed.count("<VALUE>another name</VALUE>") == 2
        assert changed.count("<INSTANCE ") == 400


def test_a_header_that_is_there_twice_counts_as_it_came_first(server: Served) -> None:
    body = _NAMES.encode()
    with server.connect() as sock:
        twice = _head(len(body)).replace(
            b"CIMOperation: MethodCall\r\n",
            b"CIMOperation: MethodCall\r\nCIMOperation: Nonsense\r\n",
        )
        sock.sendall(twice + body)
        assert _read_answer(sock).endswith(b"</CIM>\n")


def _call_state_change(server: Served, number: int = 1) -> object:
    keys = f'CreationClassName="VirtCIM_ComputerSystem",Name="{system_uuid(number)}"'
    path = pywbem.CIMInstanceName.from_wbem_uri(f"root/virt:VirtCIM_ComputerSystem.{keys}")
    state = pywbem.Uint16(9)
    return int(server.pywbem().InvokeMethod("RequestStateChange", path, RequestedState=state)[0])


def test_the_class_that_the_headers_name_must_be_the_target(server: Served) -> None:
    call = method("RequestStateChange", _CLASS)
    wrong = server.post(call, CIMObject="root%2Fvirt%3AVirtCIM_HostSystem.Name%3D%22a%22")
    assert wrong.headers["CIMError"] == "header-mismatch"
    right = server.post(call, CIMObject="root%2Fvirt%3Avirtcim_computersystem")
    assert right.status_code == 200


def test_options_says_what_the_server_can_do(server: Served) -> None:
    response = server.post("", method="OPTIONS")
    assert response.status_code == 200
    assert "M-POST" in response.headers["Allow"]
    assert response.headers["CIMProtocolVersion"] == "1.0"
    assert "basic-read" in response.headers["CIMSupportedFunctionalGroups"]


def test_options_of_the_whole_server_is_answered(server: Served) -> None:
    with server.connect() as sock:
        sock.sendall(b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert sock.recv(12) == b"HTTP/1.1 200"


def test_mpost_is_served_with_prefixed_headers(server: Served) -> None:
    response = server.post(
        _NAMES,
        method="M-POST",
        Man="http://www.dmtf.org/cim/mapping/http/v1.0;ns=73",
        **{"CIMOperation": "", "73_CIMOperation": "MethodCall"},
    )
    assert response.status_code == 200
    assert response.headers["73-CIMOperation"] == "MethodResponse"
    assert "Ext" in response.headers
    unprefixed = server.post(
        _NAMES, method="M-POST", Man="http://www.dmtf.org/cim/mapping/http/v1.0;ns=73"
    )
    assert unprefixed.headers["CIMError"] == "unsupported-operation"


def test_one_connection_carries_many_requests(server: Served) -> None:
    with server.connect() as sock:
        for _ in range(3):
            sock.sendall(_head(len(_NAMES)) + _NAMES.encode())
            assert _read_answer(sock).endswith(b"</CIM>\n")


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_any_bytes_get_an_answer_of_the_known_kinds(server: Served, data: st.DataObject) -> None:
    """Random bytes, and a good message with a piece cut out, doubled or overwritten."""
    good = _NAMES.encode()
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(start + 40, len(good))))
    middle = data.draw(st.sampled_from([b"", good[start:end] * 2]) | st.binary(max_size=20))
    body = data.draw(st.sampled_from([good[:start] + middle + good[end:], middle]))
    response = server.post(body)
    assert response.status_code in (200, 400, 413, 501)
    assert (response.status_code == 200) == ("CIMError" not in response.headers)
    assert "ERR_UNKNOWN" not in response.text
    assert "Traceback" not in response.text


def _head(length: int) -> bytes:
    return (
        "POST /cimom HTTP/1.1\r\nHost: x\r\nCIMOperation: MethodCall\r\n"
        f"Content-Type: text/xml\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def _read_answer(sock: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += sock.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert found is not None
    while len(body) < int(found[1]):
        body += sock.recv(65536)
    return body
