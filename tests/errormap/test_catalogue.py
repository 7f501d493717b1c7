"""Every catalogued code has a case, and hardly any ends in a code that says nothing.

``catalogue.txt`` lists the codes that the sources can raise: XAPI's, those of its storage manager,
of xend's XenAPI, libvirt's numbers, and QEMU's classes, states, reasons and events.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from virtcim.errormap import (
    ErrorCode,
    Fault,
    from_libvirt,
    from_qemu,
    from_record,
    from_xapi,
    rules,
    translate,
)
from virtcim.errormap.engine import DEFAULTS

_HERE = Path(__file__).parent
_WIDE = {
    ErrorCode.ERR_UNKNOWN,
    ErrorCode.ERR_OPERATION_FAILED,
    ErrorCode.ERR_VM_CONTROL_OP_FAILED,
}
# The defaults are not among these: their notes are of any fault, not of this one.
_NOTED = {rule.id for rule in rules() if rule.note}
_COUNTS = {
    "xapi": 635,
    "storage_manager": 173,
    "xend_xenapi": 52,
    "libvirt": 111,
    "qemu_class": 5,
    "qemu_migration": 15,
    "qemu_run_state": 16,
    "qemu_shutdown": 11,
    "qemu_event": 10,
}


def _catalogue() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (_HERE / "catalogue.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            words = found.setdefault(line.removeprefix("# "), [])
        else:
            words += line.split()
    return found


def _fault(kind: str, code: str) -> Fault:
    """The barest fault of a code: no arguments, no text."""
    if kind in ("xapi", "xend_xenapi"):
        return from_xapi([code.replace("INTERNAL_ERROR_OF_TASKS", "INTERNAL ERROR")])
    if kind == "storage_manager":
        return from_xapi([f"SR_BACKEND_FAILURE_{code}", "", "", ""], operation="SR.attach")
    if kind == "libvirt":
        return from_libvirt(code=int(code))
    raw: dict[str, dict[str, object]] = {
        "qemu_class": {"class": code, "desc": ""},
        "qemu_migration": {"query-migrate": {"status": code}},
        "qemu_run_state": {"query-status": {"status": code}},
        "qemu_shutdown": {"event": "SHUTDOWN", "data": {"reason": code}},
        "qemu_event": {"event": code, "data": {}},
    }
    return from_qemu(raw[kind])


def _is_unexplained(fault: Fault) -> bool:
    """Whether a fault gets a code that says nothing, by default or by a rule without a note."""
    error = translate(fault)
    return error.code in _WIDE and error.rule not in _NOTED


CATALOGUE = _catalogue()


def test_the_catalogue_is_complete() -> None:
    assert {kind: len(set(codes)) for kind, codes in CATALOGUE.items()} == _COUNTS


def test_less_than_three_in_a_hundred_codes_say_nothing_without_saying_why() -> None:
    faults = [_fault(kind, code) for kind, codes in CATALOGUE.items() for code in codes]
    unexplained = [fault.code for fault in faults if _is_unexplained(fault)]
    assert len(unexplained) / len(faults) < 0.03, unexplained


def test_the_texts_of_xend_too_hardly_ever_end_without_saying_why() -> None:
    lines = (_HERE / "cases" / "xend_texts.jsonl").read_text(encoding="utf-8").splitlines()
    faults = [from_record(json.loads(line)) for line in lines]
    assert len(faults) > 350
    unexplained = [fault.text for fault in faults if _is_unexplained(fault)]
    assert len(unexplained) / len(faults) < 0.03, unexplained


@pytest.mark.parametrize("kind", ["xapi", "storage_manager", "xend_xenapi"])
def test_every_code_of_a_xenapi_is_decided_by_a_rule_of_its_own(kind: str) -> None:
    defaults = {rule.id for rule in DEFAULTS}
    assert [c for c in CATALOGUE[kind] if translate(_fault(kind, c)).rule in defaults] == []


def test_every_catalogued_code_is_in_a_case_that_names_what_is_expected() -> None:
    cases = [
        json.loads(line)
        for path in sorted((_HERE / "cases").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    arrays = {next(iter(case["raw"].get("error_description") or [""])) for case in cases}
    numbers = {str(case["raw"].get("code")) for case in cases}
    emulator = json.dumps([case["raw"] for case in cases if case["source"] == "qemu"])
    for kind, codes in CATALOGUE.items():
        for code in codes:
            if kind == "libvirt":
                assert code in numbers
            elif kind.startswith("qemu"):
                assert f'"{code}"' in emulator, code
            else:
                assert _fault(kind, code).code in arrays, code
