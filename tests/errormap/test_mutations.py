"""The cases hold the tables: a rule with another outcome makes one of them fail."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtcim.errormap import ErrorCode, Fault, Rule, engine, from_record, rules
from virtcim.errormap.engine import DEFAULTS, decide
from virtcim.errormap.likeness.rules import RULES as LIKENESS_RULES

_CASES = Path(__file__).parent / "cases"


def _deciding() -> dict[str, list[tuple[Fault, str]]]:
    """The faults of the cases, with the code expected, by the rule that decides them."""
    found = defaultdict(list)
    for path in sorted(_CASES.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            fault = from_record(case)
            found[decide(fault).rule.id].append((fault, case["expected"]))
    return found


DECIDING = _deciding()


@pytest.fixture
def swapped(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Rule, ErrorCode]]:
    """The tables with the outcome of one rule swapped for another."""
    rule: Rule = request.param
    other = ErrorCode((rule.err + 1) % len(ErrorCode))
    mutant = dataclasses.replace(rule, err=other)
    read = engine.load

    def load(source: str) -> tuple[Rule, ...]:
        return tuple(mutant if each is rule else each for each in read(source))

    monkeypatch.setattr(engine, "load", load)
    _forget()
    yield rule, other
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    engine.stages.cache_clear()
    engine._by_code.cache_clear()
    engine._shared.cache_clear()


@pytest.mark.parametrize("swapped", rules(), ids=lambda rule: rule.id, indirect=True)
def test_swapping_the_outcome_of_a_rule_fails_a_case(swapped: tuple[Rule, ErrorCode]) -> None:
    rule, other = swapped
    outcomes = [(decide(fault).rule.err, expected) for fault, expected in DECIDING[rule.id]]
    assert any(err is other and err.name != expected for err, expected in outcomes)


def test_the_defaults_are_held_by_cases_too() -> None:
    for rule in (*LIKENESS_RULES.values(), *DEFAULTS):
        assert {expected for _, expected in DECIDING[rule.id]} == {rule.err.name}
