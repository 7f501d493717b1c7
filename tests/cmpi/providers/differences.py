"""Where the tests of the providers meet something else, if a CIM server is between.

Each difference is asserted: the test must fail there, and with what the row says.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.cmpi.conftest import FLAVOURS

__all__ = ["DIFFERENCES", "Difference", "difference_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """``instead`` is found in the failure of a test, or of its ``case`` alone; ``why`` is true."""

    test: str
    instead: str
    why: str
    case: str = ""
    flavours: tuple[str, ...] = FLAVOURS


_TYPED = "a value is what its declaration says, however it is written"
_ENDED = "CMPI ends texts at their first character 0; servers refuse it in a request before"

DIFFERENCES = (
    Difference(
        test="test_destroying_what_is_no_virtual_system_is_a_bad_parameter",
        case="text",
        instead="ERR_VM_NOT_FOUND: there is no virtual system root/virt:text",
        why="a server may hand over a reference as its text, which names a class here",
    ),
    Difference(
        test="test_a_state_that_cannot_be_requested_is_refused_by_its_value",
        case="2",
        instead="ERR_WRONG_STATE_FOR_OP: ",
        why=_TYPED,
    ),
    Difference(
        test="test_system_settings_that_cannot_be_used_are_refused_by_name",
        case="Record('VirtCIM_VirtualSystemSettingData-SystemSettings.ElementName2",
        instead="DID NOT RAISE",
        why=_ENDED,
    ),
    Difference(
        test="test_a_programming_error_escapes_while_the_caller_waits",
        instead="ERR_UNKNOWN: invoke_method failed unexpectedly; the log has more under incident",
        why="nothing that Python raises reaches a server: it is an incident",
    ),
    Difference(
        test="test_what_fails_while_the_caller_waits_can_be_told_in_the_callers_language",
        instead="The virtual machine is halted",
        why="a failure is told once, in the language of the request",
    ),
    Difference(
        test="test_methods_that_are_not_there_or_not_on_classes_are_refused",
        case="not of the class",
        instead="CIM_Namespace has no method 'RequestStateChange'",
        why="hosts know the declarations, and say so with CIM_ERR_METHOD_NOT_FOUND",
    ),
    Difference(
        test="test_pausing_a_halted_system_is_refused_as_wrong_state",
        flavours=("sfcb",),
        instead="not enough values to unpack",
        why="sfcb carries no CIM_Error with a failure",
    ),
)


def difference_of(item: pytest.Item) -> Difference | None:
    """The row for a test."""
    test, _, parameters = item.name.partition("[")
    flavour, _, case = parameters.removesuffix("]").partition("-")
    for row in DIFFERENCES:
        if row.test == test and flavour in row.flavours and row.case in ("", case):
            return row
    return None
