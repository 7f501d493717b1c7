"""The page of classes is what the registration and the schema say."""

from __future__ import annotations

import class_reference
import pytest

from virtcim.mof import load_schema
from virtcim.providers import INTEROP, ROOT
from virtcim.registration import registrations


def test_the_page_is_as_it_would_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert class_reference.main(["--check"]) == 0, "run: scripts/class_reference.py"
    assert class_reference.main(["--nothing"]) == 2
    assert "docs/classes.md" in capsys.readouterr().out


def test_every_class_and_method_that_is_served_has_a_row() -> None:
    rows = class_reference.page(load_schema()).splitlines()
    for each in registrations((ROOT, INTEROP)):
        assert any(row.startswith(f"| {each.class_name} |") for row in rows)
        for method in each.methods:
            assert any(row.startswith(f"| {each.class_name} | {method} |") for row in rows)


def test_a_parameter_goes_in_unless_it_is_said_not_to() -> None:
    rows = class_reference.page(load_schema())
    service = "VirtCIM_VirtualSystemManagementService"
    assert (
        f"| {service} | DefineSystem | SystemSettings, ResourceSettings, ReferenceConfiguration "
        "| ResultingSystem, Job |" in rows
    )
