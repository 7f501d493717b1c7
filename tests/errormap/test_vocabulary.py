"""The vocabulary is one table: what is wrong in it is refused, what is made of it is as it says."""

from __future__ import annotations

from pathlib import Path

import pytest
import vocabulary as generator

from virtcim.errormap import ErrorCode, general_advice
from virtcim.errormap.vocabulary import PATH, VocabularyError, parse, vocabulary
from virtcim.mof import load_schema

_TABLE = PATH.read_text(encoding="utf-8")
_LAST = f"number = {max(ErrorCode).value}"


@pytest.mark.parametrize(
    ("before", "after", "slip"),
    [
        ('name = "ERR_VM_STUCK"', 'name = "STUCK"', "no name of a code"),
        ('name = "ERR_VM_STUCK"', 'name = "ERR_UNKNOWN"', "twice"),
        (_LAST, "number = 40", "its number is"),
        (_LAST, "number = true", "number cannot be true"),
        ("cim_status = 11", "cim_status = 12", "ERR_ALREADY_EXIST: cim_status cannot be 12"),
        ("cim_status = 11", 'cim_status = "11"', "cim_status cannot be"),
        ("cim_status = 11\n", "", "cim_status is missing"),
        ("cim_status = 11", "cim_status = 11\nsince = 1", "unknown field since"),
        ('severity = "critical"', 'severity = "grave"', 'severity cannot be "grave"'),
        ('error_type = "unsupported"', "error_type = 10", "error_type cannot be 10"),
        ('cause = "Nothing failed."', 'cause = " "', "cause cannot be"),
        ('"Nothing needs to be done.",', "", "actions cannot be []"),
        ('"Nothing needs to be done.",', "7,", "actions cannot be [7]"),
        ("[[code]]", "[[codes]]", "it consists of code"),
        ("[[code]]", "[[code", "vocabulary: "),
    ],
)
def test_a_slip_in_the_table_is_refused_by_name(before: str, after: str, slip: str) -> None:
    assert before in _TABLE
    with pytest.raises(VocabularyError) as refused:
        parse(_TABLE.replace(before, after, 1) if before != "[[code]]" else after + _TABLE)
    assert slip in str(refused.value)


def test_what_is_generated_is_as_the_table_says() -> None:
    assert {
        path.name: path.read_text(encoding="utf-8") == text
        for path, text in generator.generated().items()
    } == {"error_code.py": True, "job.mof": True, "virtual_system.mof": True}


def test_a_new_code_reaches_the_enumeration_and_the_mof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "vocabulary.toml"
    number = len(ErrorCode)
    entry = _TABLE.rpartition("[[code]]")[2]
    table.write_text(
        f"{_TABLE}\n[[code]]{entry}".replace(_LAST, f"number = {number}")
        .replace(f"number = {number}", _LAST, 1)[::-1]
        .replace("ESU_NI_ELIF_RRE", "WEN_RRE", 1)[::-1],
        encoding="utf-8",
    )
    monkeypatch.setattr(generator, "PATH", table)
    texts = {path.name: text for path, text in generator.generated().items()}
    assert f"    ERR_NEW = {number}\n" in texts["error_code.py"]
    assert all(f'"{number}"' in texts[name] for name in ("job.mof", "virtual_system.mof"))
    assert all('"ERR_NEW"' in texts[name] for name in ("job.mof", "virtual_system.mof"))


def test_types_and_severities_are_values_of_the_schema() -> None:
    declared = load_schema().find("CIM_Error")
    assert declared is not None
    properties = declared.properties
    for word in vocabulary().values():
        assert str(word.error_type) in properties["ErrorType"].qualifiers["ValueMap"].value
        assert str(word.severity) in properties["PerceivedSeverity"].qualifiers["ValueMap"].value
        assert str(word.probable_cause) in properties["ProbableCause"].qualifiers["ValueMap"].value


@pytest.mark.parametrize("code", ErrorCode, ids=lambda code: code.name)
def test_the_general_advice_is_that_of_the_vocabulary(code: ErrorCode) -> None:
    word, told = vocabulary()[code], general_advice(code)
    assert (told.cause, told.actions) == (word.cause, word.actions)
