"""Where no rule knows a fault, its words are weighed against those of known faults."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from likeness_model import UNDECIDED, fingerprint, undecided
from likeness_training import Sample, learned

from virtcim.errormap import ErrorCode, Fault, engine, explain, from_record, translate
from virtcim.errormap.engine import DEFAULTS, by_likeness, by_rules, decide
from virtcim.errormap.likeness import model
from virtcim.errormap.likeness.features import features, key_of
from virtcim.errormap.likeness.model import (
    GENERAL,
    OPERATED_PATH,
    PATH,
    Model,
    likeness,
    packed,
    unpacked,
)
from virtcim.errormap.likeness.rules import OPERATED, RULES
from virtcim.errormap.reading.facts import Facts
from virtcim.errormap.rules import TableError

_CASES = Path(__file__).parent / "cases"
_GENERAL_DEFAULTS = ("default.vm_operation", "default.operation")
# Words that no rule knows, and that the weights below do.
_ODD = "zorbled quaxine flimmered over the volume"
_WEIGHTS = {"zorbled": 8.0, "quaxine": 8.0, "flimmered": 8.0}


def _known(code: ErrorCode, threshold: float = 0.7) -> Model:
    weights = {key_of(f"w:{word}"): {1: weight} for word, weight in _WEIGHTS.items()}
    return unpacked(packed((GENERAL, code.name), weights, threshold))


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that take three odd words for a disk."""
    known = _known(ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE)
    monkeypatch.setattr(model, "_model", lambda: known)


def _fault(text: str = _ODD, operation: str = "virDomainCreate", **more: object) -> Fault:
    return replace(Fault(source="libvirt", code="1", operation=operation, text=text), **more)


def _faults() -> list[Fault]:
    return [
        from_record(json.loads(line))
        for path in sorted(_CASES.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def test_it_decides_only_where_the_rules_end_in_a_general_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rule = next(iter(RULES.values()))
    monkeypatch.setattr(model, "likeness", lambda *_: model.Likeness(rule.err, 1.0, ("whatever",)))
    undecided = 0
    for fault in _faults():
        known, found = by_rules(fault).rule, decide(fault).rule
        if known.id in _GENERAL_DEFAULTS:
            undecided += 1
            assert found in (rule, known, OPERATED)
        else:
            assert found is known
    assert undecided > 50


@pytest.mark.usefixtures("odd")
def test_words_of_known_faults_decide_before_the_default_and_are_shown() -> None:
    explanation = explain(_fault())
    assert explanation.rule.id == "likeness.cannot_access_disk_file"
    assert explanation.error == translate(_fault())
    assert set(explanation.words) == set(_WEIGHTS)
    assert "known faults" in explanation.rule.note


@pytest.mark.usefixtures("odd")
def test_what_is_nested_in_a_fault_is_weighed_where_no_rule_knows_either() -> None:
    nested = _fault()
    outer = Fault(source="xapi", operation="VM.start", code="ODD_CODE", cause=nested)
    assert decide(outer).rule.id == "likeness.cannot_access_disk_file"
    known = replace(outer, code="VM_BAD_POWER_STATE")
    assert decide(known).rule is by_rules(known).rule


@pytest.mark.parametrize("threshold", [0.9999999, 1.0])
def test_what_is_not_sure_enough_is_the_default(
    monkeypatch: pytest.MonkeyPatch, threshold: float
) -> None:
    known = _known(ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE, threshold)
    monkeypatch.setattr(model, "_model", lambda: known)
    assert decide(_fault()).rule.id == "default.vm_operation"


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize(
    "text", ["", "zorbled volume", "zorbled quaxine volume", "volume /zorbled/quaxine flimmered"]
)
def test_few_known_words_are_the_default(text: str) -> None:
    assert decide(_fault(text)).by_default


@pytest.mark.parametrize("code", sorted(engine._STUMBLING))
def test_what_a_server_says_of_its_own_stumbling_blames_nobody(
    monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    known = _known(ErrorCode.ERR_BAD_PARAMETER)
    monkeypatch.setattr(model, "_model", lambda: known)
    said = Fault(source="xapi", operation="VM.start", code="ODD_CODE", arguments=(_ODD,))
    assert decide(said).rule.id == "likeness.bad_parameter"
    stumbled = replace(said, code=code)
    # A rule decides today; were there none, likeness would not blame either.
    assert decide(stumbled).rule.err is not ErrorCode.ERR_BAD_PARAMETER
    assert engine.by_likeness(stumbled) is None
    nested = _fault(operation="virDomainDefineXML")
    assert decide(nested).rule.id == "likeness.bad_parameter"
    around = Fault(source="xapi", operation="VM.start", code=code, cause=nested)
    assert decide(around).rule.err is not ErrorCode.ERR_BAD_PARAMETER
    assert engine.by_likeness(around) is None


@pytest.mark.parametrize(
    "unasked",
    [
        _fault(),
        Fault(source="qemu", code="exit", operation="(start)", text=f"qemu-system-i386: {_ODD}"),
    ],
    ids=["no description", "no option"],
)
def test_nobody_is_blamed_where_nobody_asked(
    monkeypatch: pytest.MonkeyPatch, unasked: Fault
) -> None:
    known = _known(ErrorCode.ERR_BAD_PARAMETER)
    monkeypatch.setattr(model, "_model", lambda: known)
    assert decide(unasked).by_default


@pytest.mark.usefixtures("odd")
def test_words_without_evidence_of_a_disk_are_none() -> None:
    assert decide(_fault(_ODD.replace("volume", "gribbet"))).by_default


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize(
    "before",
    [
        "2026-11-30 10:11:12.123+0000: 4711: error : virOdd:17 : ",
        "2026-11-30T10:11:12.123456Z qemu-system-x86_64: warning: odd things are deprecated\n",
        "error: ",
        "internal error: ",
    ],
)
def test_what_innocently_stands_before_a_message_changes_nothing(before: str) -> None:
    assert decide(_fault(f"{before}{_ODD}")).rule is decide(_fault()).rule


@pytest.mark.parametrize("before", ["2026-11-30T10:11:12.123456Z ", "error: "])
def test_no_known_fault_is_answered_otherwise_behind_a_time_or_an_error_mark(before: str) -> None:
    for fault in _faults():
        if fault.source != "libvirt" or by_rules(fault).rule.id not in _GENERAL_DEFAULTS:
            continue
        marked = replace(fault, text=f"{before}{fault.text}")
        if by_rules(marked).rule.id in _GENERAL_DEFAULTS:
            assert decide(marked).rule is decide(fault).rule, fault.text


@pytest.mark.usefixtures("odd")
def test_names_and_numbers_count_for_nothing() -> None:
    one, other = (
        features(Facts(_fault(f"{_ODD} in {place} of {number}")))
        for place, number in (
            ("/d/a/zorbled.img", "3f2c5e9a-7d41-4e0b-9a55-0f1e2d3c4b5a"),
            ("/images/quaxine/b.img", "deadbeef5eadbeef"),
        )
    )
    assert one == other
    assert "w:img" in one


@pytest.mark.parametrize("operation", ["", "virDomainDefineXML"])
def test_the_caller_may_be_blamed_where_a_call_carries_something_or_none_is_known(
    monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    known = _known(ErrorCode.ERR_BAD_PARAMETER)
    monkeypatch.setattr(model, "_model", lambda: known)
    assert decide(_fault(operation=operation)).rule.id == "likeness.bad_parameter"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "/" * 1_000_000,
        "a/" * 500_000,
        "./" * 500_000,
        "ab " * 300_000,
        "".join(map(chr, range(0x110000)))[:0xD800] * 4,
        "\x00\xff\udcff" * 100_000,
        "0123456789abcdef" * 60_000,
    ],
)
def test_a_hostile_text_takes_bounded_time(text: str) -> None:
    facts = Facts(_fault(text))
    begin = time.process_time()
    likeness(facts)
    # A text that took quadratic time would take minutes.
    assert time.process_time() - begin < 5
    assert len(features(facts)) < 5000


@pytest.mark.parametrize(
    "spoiled",
    [
        b"",
        b"\x00",
        b"\xff\xff\xff\xff",
        PATH.read_bytes()[:-1],
        PATH.read_bytes()[:2000],
        PATH.read_bytes()[:-1] + b"\x7e",
        PATH.read_bytes() + b"\x00",
        b"\x02\x00\x00\x00[]",
        b"\x02\x00\x00\x00{}",
        b"\x04\x00\x00\x00[[[[",
    ],
)
def test_a_damaged_file_is_told(spoiled: bytes) -> None:
    with pytest.raises(TableError, match=r"likeness: known\.bin is damaged"):
        unpacked(spoiled)


def test_what_is_packed_is_what_is_read() -> None:
    weights = {7: {0: 1.0, 1: -0.5}, 3: {1: 0.25}, 4_000_000_000: {0: 0.001}}
    read = unpacked(packed((GENERAL, "ERR_VM_STUCK"), weights, 0.5))
    assert {key: tuple(read.of(key)) for key in read.keys} == {
        3: ((1, 32),),
        7: ((0, 127), (1, -64)),
    }
    assert [tuple(read.of(key)) for key in (0, 5, 4_000_000_000, 2**32 - 1)] == [()] * 4
    assert (read.codes, read.threshold) == ((GENERAL, "ERR_VM_STUCK"), 0.5)
    assert read.chances([7])[0] > 0.7


def test_the_same_faults_give_the_same_weights_in_any_order() -> None:
    samples = [
        Sample(tuple(range(number % 7, 40, 1 + number % 5)), number % 3) for number in range(60)
    ]
    content = packed(("a", "b", "c"), learned(samples), 0.5)
    assert packed(("a", "b", "c"), learned(samples[::-1]), 0.5) == content
    program = (
        "import sys; from likeness_training import Sample, learned;"
        "from virtcim.errormap.likeness.model import packed;"
        "made = [Sample(tuple(range(n % 7, 40, 1 + n % 5)), n % 3) for n in range(60)];"
        "sys.stdout.buffer.write(packed(('a', 'b', 'c'), learned(made), 0.5))"
    )
    command = [sys.executable, "-c", program]
    scripts = Path(__file__).parents[2] / "scripts"
    told = subprocess.run(command, cwd=scripts, check=True, capture_output=True, timeout=120)
    assert told.stdout == content


def test_the_file_is_small_and_holds_no_words() -> None:
    content = PATH.read_bytes()
    assert len(content) < 400_000
    head = content[4 : 4 + int.from_bytes(content[:4], "little")]
    names = set(json.loads(head)["codes"])
    assert names <= {GENERAL, *ErrorCode.__members__}
    assert not re.search(rb"[a-z]{3,} [a-z]{3,}", content)


def test_a_fault_that_a_rule_decides_does_not_even_read_the_file() -> None:
    program = (
        "import sys; from virtcim.errormap import from_libvirt, translate;"
        "translate(from_libvirt(code=42, message='no domain with matching name a'));"
        "assert 'virtcim.errormap.likeness.model' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_file_was_learned_from_such_features_as_are_taken_today() -> None:
    made_from = unpacked(PATH.read_bytes()).made_from
    assert made_from["fingerprint"] == fingerprint(), "to be made again: scripts/likeness_model"


@pytest.fixture
def operating(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that take three odd words for an operation on a machine."""
    known = _known(OPERATED.err)
    monkeypatch.setattr(model, "_operated", lambda: known)


@pytest.mark.usefixtures("operating")
@pytest.mark.parametrize("source", ["libvirt", "xend", "transport"])
def test_words_of_operated_machines_decide_where_nothing_names_a_call(source: str) -> None:
    fault = Fault(source=source, text=_ODD.replace("volume", "gribbet"))
    explanation = explain(fault)
    assert explanation.rule is OPERATED
    assert explanation.error.code is ErrorCode.ERR_VM_CONTROL_OP_FAILED
    assert set(explanation.words) == set(_WEIGHTS)


@pytest.mark.usefixtures("operating")
@pytest.mark.parametrize(
    ("text", "operation"),
    [
        (_ODD, "virStoragePoolRefresh"),
        (_ODD, "virConnectListAllNetworks"),
        (_ODD, "zorbled.quaxine"),
        (f"virNetworkCreate() failed {_ODD}", ""),
        (f"error: Failed to reset device pci_0000_03_00_0: {_ODD}", ""),
        (f"while listing domains {_ODD}", ""),
        (f"libvirt: operation virStoragePoolRefresh() failed: {_ODD}", ""),
        ("", ""),
    ],
)
def test_words_of_operated_machines_are_not_asked_where_a_call_is_named(
    text: str, operation: str
) -> None:
    assert decide(_fault(text, operation, code="")).rule is not OPERATED


def test_the_words_of_operated_machines_are_few_and_hashed() -> None:
    content = OPERATED_PATH.read_bytes()
    assert len(content) < 20_000
    assert not re.search(rb"[a-z]{3,} [a-z]{3,}", content)
    known = unpacked(content)
    assert known.codes == (GENERAL, OPERATED.err.name)
    assert known.made_from["fingerprint"] == fingerprint(), "again: scripts/likeness_model"


def test_known_faults_that_no_rule_decides_are_answered_as_they_are_labelled() -> None:
    before = undecided()
    answers: Counter[bool] = Counter()
    for path in sorted(UNDECIDED.parent.glob("training*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if record["id"] not in before:
                continue
            if found := by_likeness(from_record(record)):
                right = record["expect"], *record["accept"]
                answers[found.rule.err.name in right] += 1
    assert answers[True] > 100
    assert answers[False] < answers[True] / 20


def test_it_has_rules_for_specific_codes_and_one_for_operated_machines() -> None:
    assert {rule.err for rule in DEFAULTS} & set(RULES) == {OPERATED.err}
    assert OPERATED.err.name not in unpacked(PATH.read_bytes()).codes
    assert ErrorCode.ERR_SUCCESS not in RULES
