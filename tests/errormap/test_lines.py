"""Translating JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from virtcim.errormap import TABLE_VERSION
from virtcim.errormap.streaming.lines import answer, translate_stream

_RECORD = {
    "id": "a",
    "source": "xapi",
    "operation": "VM.start",
    "raw": {"error_description": ["VM_IS_TEMPLATE", "ref"]},
}


def _reader(chunks: list[bytes]) -> Callable[[], bytes]:
    left = iter(chunks)
    return lambda: next(left, b"")


def _answers(chunks: list[bytes]) -> list[dict[str, object]]:
    written: list[str] = []
    translate_stream(_reader(chunks), written.append)
    return [json.loads(line) for line in "".join(written).splitlines()]


def test_a_record_is_answered_with_code_number_rule_message_and_version() -> None:
    given = json.loads(answer(json.dumps(_RECORD).encode()))
    message = given.pop("message")
    assert given == {
        "id": "a",
        "err": "ERR_WRONG_STATE_FOR_OP",
        "number": 13,
        "rule": "xapi.template",
        "version": TABLE_VERSION,
    }
    assert "VM_IS_TEMPLATE" in message


@pytest.mark.parametrize(
    ("line", "identifier"),
    [
        (b"", None),
        (b"{", None),
        (b"\xff\xfe", None),
        (b"[]", None),
        (b'{"id": 7}', 7),
        (b'{"id": "x", "source": "hyperv", "raw": {}}', "x"),
        (b"[" * 100_000, None),
        (b'{"id":' + b"[" * 900 + b"]" * 900 + b', "source": "xapi"}', ...),
    ],
)
def test_a_line_that_cannot_be_read_is_answered_and_stops_nothing(
    line: bytes, identifier: object
) -> None:
    good = json.dumps(_RECORD).encode()
    first, second = _answers([line + b"\n" + good + b"\n"])
    assert (first["err"], first["number"]) == ("ERR_UNKNOWN", 7)
    assert first["input_error"]
    assert "hypervisor" not in str(first["message"])
    if identifier is not ...:
        assert first["id"] == identifier
    assert second["id"] == "a"
    assert "input_error" not in second


def test_answers_come_in_order_however_the_input_is_cut() -> None:
    lines = [json.dumps({**_RECORD, "id": number}) for number in range(50)]
    data = "\n".join(lines).encode()
    for size in (1, 7, 1000, len(data)):
        chunks = [data[at : at + size] for at in range(0, len(data), size)]
        assert [given["id"] for given in _answers(chunks)] == list(range(50))


def test_a_complete_line_is_answered_before_more_is_read() -> None:
    events: list[str] = []
    left = iter([json.dumps(_RECORD).encode() + b"\n", b""])

    def read() -> bytes:
        events.append("read")
        return next(left)

    translate_stream(read, lambda _: events.append("write"))
    assert events == ["read", "write", "read"]


def test_a_line_that_is_far_too_long_is_refused_without_being_kept() -> None:
    chunks = [b"x" * (1024 * 1024)] * 40 + [b"\n" + json.dumps(_RECORD).encode() + b"\n"]
    first, second = _answers(chunks)
    assert first["input_error"] == "the line is too long"
    assert second["id"] == "a"
