"""What the table of differences says is of tests that there are."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from tests.cmpi.providers.differences import DIFFERENCES, Difference

TAKEN = [
    import_module(f"tests.cmpi.providers.{file.stem}")
    for file in (Path(__file__).parent / "providers").glob("test_*.py")
]


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda row: f"{row.test}-{row.case}")
def test_a_difference_is_of_a_test_that_is_taken(difference: Difference) -> None:
    assert [module for module in TAKEN if hasattr(module, difference.test)] != []
