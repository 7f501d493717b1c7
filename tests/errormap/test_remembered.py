"""A decision that is remembered by the shape of a fault is the one that would be made anew."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from virtcim.errormap import Fault, from_record, from_xapi, translate
from virtcim.errormap.engine import decide
from virtcim.errormap.remembered import decide_like

_CASES = [
    json.loads(line)
    for path in sorted((Path(__file__).parent / "cases").glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]
_LONG = re.compile(r"(?<![\w.-])\d{4,9}(?![\w.-])")


def _renumbered(value: Any, digits: str) -> Any:
    """``value`` with other long numbers, wherever it holds some."""
    if isinstance(value, str):
        return _LONG.sub(lambda match: (digits * 3)[: len(match[0])], value)
    if isinstance(value, list):
        return [_renumbered(one, digits) for one in value]
    if isinstance(value, dict):
        return {key: _renumbered(one, digits) for key, one in value.items()}
    return value


def test_every_known_fault_is_decided_as_if_it_were_new() -> None:
    for case in _CASES:
        fault = from_record(case)
        for _ in range(2):
            remembered, new = decide_like(fault), decide(fault)
            assert remembered.rule is new.rule
            assert remembered.fault == new.fault
            assert remembered.facts.text == new.facts.text


@given(st.sampled_from(_CASES), st.from_regex(r"[1-9][0-9]{3}", fullmatch=True))
@settings(max_examples=400)
def test_faults_that_differ_in_numbers_are_each_told_with_their_own(
    case: dict[str, Any], digits: str
) -> None:
    translate(from_record(case))
    other = from_record({**case, "raw": _renumbered(case["raw"], digits)})
    assert decide_like(other).rule is decide(other).rule
    assert decide_like(other).fault == decide(other).fault


def test_the_figures_of_a_known_shape_are_its_own() -> None:
    def told(needed: int) -> str:
        return translate(
            from_xapi(["HOST_NOT_ENOUGH_FREE_MEMORY", str(needed), "1048576"], operation="VM.start")
        ).message

    assert "4.0 GiB" in told(4 << 30)
    assert "9.0 GiB" in told(9 << 30)


def test_what_is_too_long_to_be_kept_is_decided_all_the_same() -> None:
    long = Fault(source="libvirt", code="42", text="Domain not found: " + "x" * 100_000)
    assert decide_like(long).rule is decide(long).rule


def test_whether_a_value_is_a_number_or_an_identifier_may_decide() -> None:
    def unknown(value: str) -> Fault:
        text = f"internal error: unknown host CPU model {value}"
        return Fault(source="libvirt", code="1", operation="virDomainCreate", text=text)

    identifier = "5d1f8c3e-6b0a-4e7c-9d6e-3b8f0c2a1d44"
    for value in (identifier, "123456", identifier, "654321"):
        assert decide_like(unknown(value)).rule is decide(unknown(value)).rule
    assert decide(unknown(identifier)).rule is not decide(unknown("123456")).rule


def test_the_digits_of_a_word_that_a_rule_asks_for_may_decide() -> None:
    def undecoded(word: str) -> Fault:
        return Fault(source="xend", code="1", text=f"failed to decode as {word}")

    for word in ("base6400", "base9999", "base6411", "base1234"):
        assert decide_like(undecoded(word)).rule is decide(undecoded(word)).rule
    assert decide(undecoded("base6400")).rule is not decide(undecoded("base9999")).rule
