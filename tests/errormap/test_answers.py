"""An answer out of a template is the one that would be worked out anew, for every line."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtcim.errormap import TABLE_VERSION, from_record
from virtcim.errormap.engine import decide
from virtcim.errormap.reading.values import parted
from virtcim.errormap.streaming.answers import Answers
from virtcim.errormap.streaming.lines import answer
from virtcim.errormap.telling.messages import message

_HERE = Path(__file__).parent
_CASES: list[dict[str, Any]] = [
    json.loads(line)
    for path in sorted((_HERE / "cases").glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]
_CODES = [
    word
    for line in (_HERE / "catalogue.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
    for word in line.split()
]
_UUID = "5d1f8c3e-6b0a-4e7c-9d6e-3b8f0c2a1d44"
_OFTEN = 3

_Naming = Callable[[str], str]
_NAMINGS: dict[str, _Naming] = {
    "as it is": lambda text: text,
    "quoted names": lambda text: re.sub(r"'([^'\s]{2,30})'", r"'\1-00017'", text),
    "paths": lambda text: re.sub(r"/(\w{2,20})", r"/\g<1>12345", text),
    "numbers": lambda text: re.sub(r"(?<![\w.])\d{1,3}(?!\w)", "4711000", text),
    "identifiers": lambda text: f"3fa2b1c4 {text} {_UUID}",
}
# What says which form a record has, and what its codes are.
_KEPT = frozenset(
    ("event", "class", "phase", "status", "code_name", "domain", "exception", "task_status")
)


def _named(value: Any, naming: _Naming) -> Any:
    """``value`` with other texts; the first word of an array is its code."""
    if isinstance(value, str):
        return naming(value)
    if isinstance(value, list):
        return [*value[:1], *(_named(one, naming) for one in value[1:])]
    if isinstance(value, dict):
        return {key: one if key in _KEPT else _named(one, naming) for key, one in value.items()}
    return value


def _line(record: dict[str, Any], naming: _Naming = str) -> str:
    return json.dumps({"id": "a", **record, "raw": _named(record["raw"], naming)})


def _with_other_values(line: str, chance: random.Random) -> str:
    """``line`` with other values of the same kinds; equal ones stay equal."""
    parts, values = parted(line)
    others = {value: _other(value, chance) for value in values}
    parts[1::2] = [others[value] for value in values]
    return "".join(parts)


def _other(value: str, chance: random.Random) -> str:
    digits = "0123456789" if value.isdecimal() else "0123456789abcdef"
    rest = re.sub("[0-9a-f]", lambda _: chance.choice(digits), value[1:])
    if not value.isdecimal():
        rest = f"{rest[:-1]}f"
    first = "0" if value[0] == "0" else chance.choice(digits[1:])
    return f"{first}{rest}"


def _anew(line: str) -> dict[str, Any]:
    """The answer to ``line`` by the way that remembers nothing."""
    record = json.loads(line)
    try:
        fault = from_record(record)
    except ValueError:
        found: dict[str, Any] = json.loads(answer(line.encode()))
        assert found["input_error"]
        return found
    decision = decide(fault)
    return {
        "id": record.get("id"),
        "err": decision.rule.err.name,
        "number": int(decision.rule.err),
        "rule": decision.rule.id,
        "message": message(decision.rule, decision.facts, fault),
        "version": TABLE_VERSION,
    }


def _told(answers: Answers, line: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answers.to(line.encode()))
    return found


def _familiar(*lines: str) -> Answers:
    """What has seen each of ``lines`` often."""
    answers = Answers(answer)
    for line in lines:
        for _ in range(_OFTEN):
            answers.to(line.encode())
    return answers


@pytest.mark.parametrize("naming", _NAMINGS)
def test_every_known_fault_is_answered_as_if_it_were_new(naming: str) -> None:
    chance = random.Random(naming)
    answers = Answers(answer)
    for case in _CASES:
        line = _line(case, _NAMINGS[naming])
        if not parted(line)[1]:
            continue
        for _ in range(_OFTEN):
            answers.to(_with_other_values(line, chance).encode())
        other = _with_other_values(line, chance)
        assert _told(answers, other) == _anew(other)


def test_every_code_is_answered_as_if_it_were_new() -> None:
    chance = random.Random(0)
    answers = Answers(answer)
    arguments = [f"OpaqueRef:{_UUID}", "web-00017", "2147483648", "1073741824"]
    for number, code in enumerate(_CODES):
        name = f"SR_BACKEND_FAILURE_{code}" if code.isdecimal() else code
        first = number % len(arguments)
        words = [name, *arguments[first:], *arguments[:first]]
        line = _line(
            {"source": "xapi", "operation": "VM.start", "raw": {"error_description": words}}
        )
        for _ in range(_OFTEN):
            answers.to(_with_other_values(line, chance).encode())
        other = _with_other_values(line, chance)
        assert _told(answers, other) == _anew(other)


_VALUES = st.one_of(
    st.uuids().map(str),
    st.integers(0, 10**12).map(str),
    st.from_regex(r"0{1,4}[0-9]{1,6}", fullmatch=True),
    st.from_regex(r"[0-9a-f]{8,12}", fullmatch=True),
    st.sampled_from(["10061", "1000", "8139", "1200", "0038", "00002", "deadbeef", "1e10000"]),
)


@given(st.sampled_from(_CASES), st.lists(_VALUES, min_size=2, max_size=8), st.randoms())
@settings(max_examples=150, deadline=None)
def test_values_that_stand_anywhere_in_a_text_are_told_as_they_are(
    case: dict[str, Any], values: list[str], chance: random.Random
) -> None:
    place = chance.random()

    def with_value(value: str) -> str:
        def naming(text: str) -> str:
            words = text.split(" ")
            at = int(place * len(words))
            words[at] = f"{words[at][: len(words[at]) // 2]}{value}"
            return " ".join(words)

        return _line(case, naming)

    answers = Answers(answer)
    for value in values:
        for _ in range(_OFTEN):
            line = with_value(value)
            assert _told(answers, line) == _anew(line)


def test_a_frequent_shape_is_not_worked_out_anew() -> None:
    asked: list[bytes] = []

    def counted(line: bytes) -> str:
        asked.append(line)
        return answer(line)

    answers = Answers(counted)
    record = {"source": "xapi", "raw": {"error_description": ["VDI_IN_USE", "x-00017"]}}
    for number in range(1000):
        line = json.dumps({"id": number, **record}).replace("00017", f"{number:05}")
        assert _told(answers, line)["id"] == number
    assert len(asked) < 20


def test_sizes_are_told_each_in_its_own_unit() -> None:
    def line(needed: int, free: int) -> str:
        words = ["HOST_NOT_ENOUGH_FREE_MEMORY", str(needed), str(free)]
        return _line({"source": "xapi", "raw": {"error_description": words}})

    answers = _familiar(line(4 << 30, 1 << 30))
    assert "9.0 GiB" in _told(answers, line(9 << 30, 3 << 30))["message"]
    assert "2.5 GiB" in _told(answers, line(5 << 29, 3 << 30))["message"]


@pytest.mark.parametrize(
    ("usual", "special"),
    [
        # A number that a pattern asks for.
        (
            {"source": "transport", "raw": {"text": "error 10099: no way"}},
            {"source": "transport", "raw": {"text": "error 10061: no way"}},
        ),
        # A word that a pattern asks for begins with the same letters.
        (
            {"source": "qemu", "raw": {"class": "GenericError", "desc": "-device e2222: failed"}},
            {"source": "qemu", "raw": {"class": "GenericError", "desc": "-device e1000: failed"}},
        ),
        (
            {"source": "xend", "raw": {"fault_code": 1, "fault_string": "no base99999999f"}},
            {"source": "xend", "raw": {"fault_code": 1, "fault_string": "no base64999999f"}},
        ),
        # A code of four digits.
        (
            {"source": "xapi", "raw": {"error_description": ["SR_BACKEND_FAILURE_9999", "", "x"]}},
            {"source": "xapi", "raw": {"error_description": ["SR_BACKEND_FAILURE_1200", "", "x"]}},
        ),
        # A number that is read as one, whatever noughts it begins with.
        (
            {"source": "libvirt", "raw": {"code": "01234", "message": "failed"}},
            {"source": "libvirt", "raw": {"code": "00042", "message": "failed"}},
        ),
        # A value that the text holds, too, is told once.
        (
            {"source": "libvirt", "raw": {"code": 42, "message": "no vm-12345", "str1": "vm-6789"}},
            {"source": "libvirt", "raw": {"code": 42, "message": "no vm-12345", "str1": "vm-1234"}},
        ),
        (
            {"source": "libvirt", "raw": {"code": 42, "message": "no 12345", "str1": "67890"}},
            {"source": "libvirt", "raw": {"code": 42, "message": "no 12345", "str1": "12345"}},
        ),
        # The digits of an escape stand for a character.
        (
            {"source": "xapi", "raw": {"text": 'Failure("a \\u2019b\\u2019")'}},
            {"source": "xapi", "raw": {"text": 'Failure("a \\u0041b\\u0041")'}},
        ),
    ],
)
def test_a_line_that_only_looks_like_another_is_answered_by_itself(
    usual: dict[str, Any], special: dict[str, Any]
) -> None:
    answers = _familiar(_line(usual))
    assert _told(answers, _line(special)) == _anew(_line(special))
    assert _told(answers, _line(usual)) == _anew(_line(usual))


def test_a_fraction_is_told_in_its_own_digits() -> None:
    line = '{"id": 1, "source": "qemu", "raw": {"event": "X", "data": {"speed": 1.23456}}}'
    answers = _familiar(line)
    other = line.replace("1.23456", "1.23450")
    assert _told(answers, other) == _anew(other)


_RAW = '"source": "xapi", "raw": {"error_description": ["VDI_IN_USE", "00017"]}'


@pytest.mark.parametrize(
    "line",
    [
        f'{{"id": "web 17", {_RAW}}}',
        f'{{"id": 17, {_RAW}}}',
        f'{{{_RAW}, "id": -17}}',
        f'{{{_RAW}, "id":"a"}}',
        f'{{"id": null, {_RAW}}}',
        f"{{{_RAW}}}",
        f'{{"id": 17.5, {_RAW}}}',
        f'{{"id": 1234.50, {_RAW}}}',
        f'{{"id": -0, {_RAW}}}',
        f'{{"id": "a\\"b\\u00e4\\n", {_RAW}}}',
        f'{{"id": "ä", {_RAW}}}',
        f'{{"id": [1, {{"id": 2}}], {_RAW}}}',
        f'{{"id": 1, "id": 2, {_RAW}}}',
        '{"raw": {"error_description": ["VDI_IN_USE"], "id": 1}, "id": 2, "source": "xapi"}',
        '{"raw": {"error_description": ["VDI_IN_USE"], "id": 1}, "source": "xapi"}',
        '{"raw": {"error_description": ["VDI_IN_USE"], "id": 17}, "id": 0, "source": "xapi"}',
        f'{{"x\\"id": "3", {_RAW}}}',
    ],
)
def test_an_id_of_any_kind_comes_back(line: str) -> None:
    answers = _familiar(line)
    assert _told(answers, line) == _anew(line)
    others = (
        line.replace("17", "18"),
        line.replace('"a"', '"b"'),
        line.replace('"id": 1', '"id": 7'),
    )
    for other in others:
        assert _told(answers, other) == _anew(other)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (
            '{"id": 1, "source": "qemu", "raw": {"event": "X", "data": {"n": 12345}}}',
            ("12345", "01234"),
        ),
        (f'{{"id": 1, {_RAW}}}', ('{"id": 1', '{"id": 01')),
        (f'{{"id": 1, {_RAW}}}', ("}}", "}")),
        (f'{{"id": "a", {_RAW}}}', ('"a"', '"\x01"')),
        (f'{{"id": "a", {_RAW}}}', ('"a"', '"\udcff"')),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_although_it_looks_familiar(
    good: str, bad: tuple[str, str]
) -> None:
    answers = _familiar(good)
    line = good.replace(*bad).encode("utf-8", "surrogateescape")
    assert answers.to(line) == answer(line)
    assert "input_error" in json.loads(answers.to(line))


def test_what_depends_on_a_value_in_another_way_is_never_remembered() -> None:
    def by_parity(line: bytes) -> str:
        record = json.loads(line)
        return f'{{"id": {record["id"]}, "even": {int(record["n"]) % 2 == 0}}}'

    answers = Answers(by_parity)
    for number in range(10_000, 10_100):
        line = f'{{"id": 1, "n": "{number}"}}'.encode()
        assert answers.to(line) == by_parity(line)


def test_shapes_that_never_come_again_do_not_fill_the_memory() -> None:
    answers = Answers(lambda _: '{"id": 0}')
    for number in range(20_000):
        answers.to(f'{{"id": 0, "n": "{number % 100}{"x" * (number // 100)}"}}'.encode())
    assert len(answers) <= 4096


def test_a_long_line_is_answered_without_being_kept() -> None:
    answers = Answers(answer)
    line = _line({"source": "xapi", "raw": {"error_description": ["VDI_IN_USE", "x" * 100_000]}})
    assert _told(answers, line) == _anew(line)
    assert len(answers) == 0
