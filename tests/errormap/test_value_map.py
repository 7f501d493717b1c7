"""The MOF names the codes as the vocabulary does."""

from __future__ import annotations

from pathlib import Path

import pytest

import virtcim.mof
from virtcim.errormap import ErrorCode
from virtcim.errormap.exports import export
from virtcim.mof import load_schema

_MOF = Path(str(virtcim.mof.__file__)).parent


@pytest.mark.parametrize("name", ["virtual_system.mof", "job.mof"])
def test_the_shipped_mof_holds_the_generated_text(name: str) -> None:
    assert export("mof").rstrip("\n") in (_MOF / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("class_name", "property_name"),
    [("VirtCIM_ComputerSystem", "StopErrorCode"), ("VirtCIM_ConcreteJob", "ErrorCode")],
)
def test_a_client_reads_the_names_of_the_numbers_from_the_class(
    class_name: str, property_name: str
) -> None:
    declared = load_schema().find(class_name)
    assert declared is not None
    qualifiers = declared.properties[property_name].qualifiers
    numbers, names = qualifiers["ValueMap"].value, qualifiers["Values"].value
    assert dict(zip(numbers, names, strict=True)) == {
        str(int(code)): code.name for code in ErrorCode
    }
