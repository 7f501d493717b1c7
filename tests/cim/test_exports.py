"""Export requests and their answers."""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
from datetime import UTC, datetime

import pytest
import pywbem
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.cim.everything import extended_schema
from tests.cimserver.indications.exported import ACCEPTED, refused
from virtcim.cim.cimxml.exports import (
    ANSWER_LIMITS,
    ExportError,
    export_request,
    read_export_response,
    shared_instance,
)
from virtcim.cim.cimxml.instances import Encoder
from virtcim.cim.errors import CimXmlError, EncodingError
from virtcim.cim.records import Record
from virtcim.cimserver.declarations import Declarations

CLASS = "CIM_AlertIndication"
DEADLINE_S = 60.0
HEADERS = {
    "Content-Type": "application/xml; charset=utf-8",
    "CIMExport": "MethodRequest",
    "CIMExportMethod": "ExportIndication",
}
DECLARATIONS = Declarations(extended_schema())
DECLARED = frozenset(DECLARATIONS.properties(CLASS))
RECORD = Record(
    CLASS,
    {
        "IndicationIdentifier": "virtcim:1",
        "IndicationTime": datetime(2026, 11, 30, tzinfo=UTC),
        "AlertType": 5,
        "Message": 'a < b & "c"',
    },
)


def exported(selected: frozenset[str] | None = None, **delivery: str) -> pywbem.CIMInstance:
    """What pywbem's listener reads."""
    shared = shared_instance(Encoder(DECLARATIONS, "host"), DECLARED, RECORD, selected)
    given_: dict[str, str] = {"message_id": "7", "filter_name": "virtcim:f", "context": "a#b"}
    request = export_request(shared, **(given_ | delivery), number=2**63 - 1)  # type: ignore[arg-type]
    heard: queue.Queue[pywbem.CIMInstance] = queue.Queue()
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    listener = pywbem.WBEMListener("127.0.0.1", http_port=port)
    listener.add_callback(lambda indication, _: heard.put(indication))
    listener.start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        connection.request("POST", "/", request, HEADERS)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        assert (answer.status, read_export_response(content)) == (200, None)
        [message] = etree.fromstring(content)
        assert message.get("ID") == (given_ | delivery)["message_id"]
        return heard.get(timeout=DEADLINE_S)
    finally:
        listener.stop()


def test_a_listener_reads_the_indication_and_what_is_of_this_delivery() -> None:
    indication = exported()
    assert indication.classname == CLASS
    assert indication["Message"] == 'a < b & "c"'
    assert indication["AlertType"] == 5
    assert indication["IndicationFilterName"] == "virtcim:f"
    assert indication["SequenceContext"] == "a#b"
    assert indication["SequenceNumber"] == 2**63 - 1
    assert indication.properties["SequenceNumber"].type == "sint64"
    assert {name.lower() for name in indication.properties} == DECLARED


def test_a_selection_keeps_what_identifies_the_indication() -> None:
    indication = exported(frozenset({"message"}))
    assert set(indication.properties) == {
        *("Message", "IndicationIdentifier", "IndicationTime"),
        *("SequenceContext", "SequenceNumber", "IndicationFilterName"),
    }


def test_names_that_look_like_markup_stay_names() -> None:
    indication = exported(filter_name='<&">', context="</VALUE>", message_id='"><')
    assert indication["IndicationFilterName"] == '<&">'
    assert indication["SequenceContext"] == "</VALUE>"


def test_a_filter_without_a_name_is_null() -> None:
    assert exported(filter_name="")["IndicationFilterName"] is None


def test_what_the_class_does_not_declare_is_not_written() -> None:
    with pytest.raises(EncodingError):
        shared_instance(Encoder(DECLARATIONS, "host"), DECLARED, Record(CLASS, {"X": 1}), None)


@pytest.mark.parametrize(
    "content", ["", "<IRETURNVALUE><VALUE>0</VALUE></IRETURNVALUE>", "<RETURNVALUE/>"]
)
def test_an_answer_without_an_error_is_a_success(content: str) -> None:
    answer = ACCEPTED.replace(b"></EXP", f">{content}</EXP".encode())
    assert read_export_response(answer) is None


def test_the_error_of_a_listener_is_read() -> None:
    assert read_export_response(refused(1, "full &amp; busy")) == ExportError(
        status_code=1, description="full & busy"
    )


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"OK",
        b"<html><body>Welcome</body></html>",
        ACCEPTED[:-10],
        ACCEPTED.replace(b"SIMPLEEXPRSP", b"SIMPLERSP"),
        ACCEPTED.replace(b"EXPMETHODRESPONSE", b"METHODRESPONSE"),
        refused(1).replace(b'CODE="1"', b'CODE="one"'),
        refused(1).replace(b'CODE="1"', b""),
        refused(1).replace(b'CODE="1"', b'CODE="123456"'),
        b'<!DOCTYPE CIM [<!ENTITY a "aaaaaaaaaaaaa">]>' + ACCEPTED[39:],
        b" " * ANSWER_LIMITS.size_bytes + ACCEPTED,
        b"<CIM>" * 40,
    ],
)
def test_anything_else_is_no_answer(answer: bytes) -> None:
    with pytest.raises(CimXmlError):
        read_export_response(answer)


@given(st.binary(max_size=200) | st.binary(max_size=20).map(lambda part: part.join([ACCEPTED] * 2)))
def test_any_bytes_are_an_answer_or_an_error(answer: bytes) -> None:
    with contextlib.suppress(CimXmlError):
        assert isinstance(read_export_response(answer), ExportError | None)
