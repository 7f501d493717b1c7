"""Every recorded or catalogued fault gets the code that a person who must act would want.

The cases are JSON lines in ``cases/``: a record as ``virtcim errormap translate`` takes it, with
the condition it stands for and the code expected.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from virtcim.errormap import (
    TABLE_VERSION,
    ErrorCode,
    cim_message,
    explain,
    from_record,
    rules,
    translate,
)
from virtcim.errormap.engine import DEFAULTS
from virtcim.errormap.likeness.rules import RULES as LIKENESS_RULES

_CASES = Path(__file__).parent / "cases"


def _cases() -> list[dict[str, Any]]:
    return [
        {"file": path.stem, **json.loads(line)}
        for path in sorted(_CASES.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


CASES = _cases()


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{case['file']}: {case['condition']}"[:90] for case in CASES]
)
def test_a_known_fault_gets_the_code_expected_for_its_condition(case: dict[str, Any]) -> None:
    fault = from_record(case)
    error = translate(fault)
    assert error.code.name == case["expected"], error.rule
    assert error.fault is fault
    assert error.table_version == TABLE_VERSION
    described = cim_message(error)
    assert described.startswith(f"{case['expected']}: ")
    assert described.isprintable()
    assert len(described) <= 2500


def test_every_rule_decides_a_case_so_that_changing_its_outcome_fails_that_case() -> None:
    deciding = Counter(translate(from_record(case)).rule for case in CASES)
    known = (*rules(), *LIKENESS_RULES.values(), *DEFAULTS)
    unreached = [rule.id for rule in known if rule.id not in deciding]
    assert unreached == []


def test_every_code_of_the_vocabulary_but_none_is_reached_by_some_case() -> None:
    expected = {case["expected"] for case in CASES}
    assert expected == set(ErrorCode.__members__)


def test_a_fault_is_explained_by_the_same_rule_that_translates_it() -> None:
    for case in CASES:
        fault = from_record(case)
        explanation = explain(fault)
        assert explanation.error == translate(fault)
        assert explanation.error.rule == explanation.rule.id
        assert explanation.path[0] is fault
        assert explanation.rule not in [lost.rule for lost in explanation.lost]


def test_a_catalogued_code_without_a_narrow_meaning_says_why() -> None:
    wide = {
        ErrorCode.ERR_UNKNOWN,
        ErrorCode.ERR_OPERATION_FAILED,
        ErrorCode.ERR_VM_CONTROL_OP_FAILED,
    }
    assert [rule.id for rule in rules() if rule.err in wide and not rule.note] == []


def test_all_libvirt_numbers_are_covered() -> None:
    codes = {code for rule in rules() if rule.source == "libvirt" for code in rule.code}
    # The others are names: of events and states of domains, and of what a program printed.
    names = {code for code in codes if code.startswith("VIR_DOMAIN_")} | {"exit"}
    assert codes - names == {str(number) for number in range(114)}
