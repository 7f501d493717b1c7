"""A kept failure is told again as what it was decided to be, in the words of today."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.errormap import (
    ErrorCode,
    Fault,
    advice,
    cim_message,
    from_libvirt,
    from_xapi,
    translate,
)
from virtcim.errormap.stored import as_stored, recalled

_REPORTED = ["SR_BACKEND_FAILURE_44", "", "There is insufficient space"]
_FULL = from_xapi(_REPORTED, operation="VM.start")
_TEXT = st.text(max_size=20)
_FAULTS = st.recursive(
    st.none(),
    lambda cause: st.builds(
        Fault,
        source=st.sampled_from(["xapi", "xend", "libvirt", "qemu", "transport"]),
        source_version=_TEXT,
        operation=_TEXT,
        code=_TEXT,
        arguments=st.lists(_TEXT, max_size=3).map(tuple),
        text=_TEXT,
        sent=st.booleans(),
        cause=cause,
    ),
    max_leaves=4,
).filter(lambda fault: fault is not None)


@given(_FAULTS)
def test_nothing_of_a_failure_is_lost(fault: Fault) -> None:
    error = translate(fault)
    assert recalled(json.loads(json.dumps(as_stored(error)))) == error


def test_no_text_is_kept_but_the_words_of_the_source() -> None:
    kept = json.dumps(as_stored(translate(_FULL)))
    assert "There is insufficient space" in kept
    assert translate(_FULL).message not in kept


def test_what_an_older_table_decided_keeps_its_code_and_is_told_in_the_words_of_that_code() -> None:
    stored = as_stored(translate(_FULL)) | {
        "code": "ERR_FILE_IN_USE",
        "rule": "xapi.gone",
        "table_version": "1.0.0",
    }
    error = recalled(stored)
    assert (error.code, error.rule, error.table_version) == (
        ErrorCode.ERR_FILE_IN_USE, "xapi.gone", "1.0.0",
    )  # fmt: skip
    for language, begin in (
        ("en", "ERR_FILE_IN_USE: An image, volume or device is locked"),
        ("de", "ERR_FILE_IN_USE: Ein Abbild"),
    ):
        told = cim_message(error, language)
        assert told.startswith(begin), told
        assert "There is insufficient space" in told
        assert advice(error, language).cause


def test_the_words_are_those_of_today() -> None:
    error = replace(translate(_FULL), message="as it was told once", table_version="1.0.0")
    assert recalled(as_stored(error)) == replace(translate(_FULL), table_version="1.0.0")


@pytest.mark.parametrize(
    "change",
    [
        {"code": "ERR_NONE"},
        {"code": 7},
        {"code": ["ERR_UNKNOWN"]},
        {"fault": {"source": ["xapi"]}},
        {"rule": None},
        {"table_version": 2},
        {"fault": None},
        {"fault": {}},
        {"fault": {"source": "vmware"}},
        {"fault": {"source": "xapi", "arguments": "x"}},
        {"fault": {"source": "xapi", "arguments": [1]}},
        {"fault": {"source": "xapi", "sent": 1}},
        {"fault": {"source": "xapi", "text": 1}},
        {"fault": {"source": "xapi", "colour": "red"}},
        {"fault": {"source": "xapi", "cause": []}},
    ],
)
def test_what_was_never_stored_so_is_refused(change: dict[str, Any]) -> None:
    stored = as_stored(translate(from_libvirt(code=38, domain=10, message="No space left")))
    with pytest.raises(ValueError, match=r"stored|source|arguments|sent|fault"):
        recalled(stored | change)
    with pytest.raises(ValueError, match="an object"):
        recalled([stored])


def test_a_fault_that_is_nested_without_end_is_refused() -> None:
    nested: dict[str, Any] = {"source": "xapi"}
    for _ in range(5000):
        nested = {"source": "xapi", "cause": nested}
    with pytest.raises(ValueError, match="nested"):
        recalled(as_stored(translate(_FULL)) | {"fault": nested})
