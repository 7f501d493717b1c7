"""What real servers answered, through the decoders that read it in production."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from virtcim.errormap import Fault, from_xapi, from_xend, translate
from virtcim.wire import RemoteFault, decode_response, encode_response

_RECORDED = Path(__file__).parent / "recorded"


def _lines(name: str) -> list[dict[str, Any]]:
    text = (_RECORDED / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _fault(response: bytes, method: str) -> Fault | None:
    """The fault that a response stands for, read as the clients do."""
    try:
        value = decode_response(response)
    except RemoteFault as fault:
        return from_xend(fault_code=fault.code, fault_string=fault.string, operation=method)
    if isinstance(value, dict) and value.get("Status") == "Failure":
        return from_xapi(value["ErrorDescription"], operation=method)
    return None


@pytest.mark.parametrize(
    "answer",
    _lines("xend"),
    ids=lambda answer: f"xend {answer['version']} {answer['method']} {answer['expected']}",
)
def test_an_answer_of_a_real_xend_gets_its_code(answer: dict[str, Any]) -> None:
    fault = _fault(answer["response"].encode(), answer["method"])
    assert (translate(fault).code.name if fault else "") == answer["expected"]


@pytest.mark.parametrize(
    "answer",
    _lines("xapi"),
    ids=lambda answer: f"{answer['method']} {answer['error_description'][0]}",
)
def test_an_array_of_xapi_gets_its_code_through_the_envelope(answer: dict[str, Any]) -> None:
    envelope = {"Status": "Failure", "ErrorDescription": answer["error_description"]}
    fault = _fault(encode_response(envelope), answer["method"])
    assert fault is not None
    assert list(fault.arguments) == answer["error_description"][1:]
    assert translate(fault).code.name == answer["expected"]


def test_an_unknown_method_is_recognised_in_both_forms() -> None:
    """Up to 3.0.4 a fault, later a *successful* response that holds a failure."""
    unknown = [line for line in _lines("xend") if line["method"] == "xend.domain.nosuch"]
    assert ["<fault>" in line["response"] for line in unknown] == [True, False]
    for line in unknown:
        fault = _fault(line["response"].encode(), line["method"])
        assert fault is not None
        assert translate(fault).code.name == "ERR_VMM_CMD_FORMAT_ERROR"
