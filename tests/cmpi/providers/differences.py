"""Where the tests of the providers meet something else, if a CIM server is between.

Each difference is asserted: the test must fail there, and with what the row says.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

import pytest

from tests.cmpi.conftest import FLAVOURS

__all__ = ["DIFFERENCES", "Difference", "difference_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """``instead`` is found in the failure of each of the cases of a test that ``case`` fits."""

    test: str
    instead: str
    why: str
    case: str = "*"
    flavours: tuple[str, ...] = FLAVOURS


_TYPED = "a value is what its declaration says, however it is written"
_ENDED = "CMPI ends texts at their first character 0; servers refuse it in a request before"
_REFERENCE = "a server may hand over a reference as its text, which names a class here"
_DECLARED = "hosts know which class declares a method; others have none: CIM_ERR_METHOD_NOT_FOUND"

DIFFERENCES = (
    Difference(
        test="test_destroying_what_is_no_virtual_system_is_a_bad_parameter",
        case="text",
        instead="ERR_VM_NOT_FOUND: there is no virtual system root/virt:text",
        why=_REFERENCE,
    ),
    Difference(
        test="test_a_reference_that_cannot_be_used_is_refused",
        case="text-*",
        instead="ERR_VM_NOT_FOUND: ReferenceConfiguration: ",
        why=_REFERENCE,
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
        why=_DECLARED,
    ),
    Difference(
        test="test_a_target_that_is_not_there_is_not_found_and_one_without_the_method_says_so",
        instead="VirtCIM_MemoryPool has no method 'DefineSystem'",
        why=_DECLARED,
    ),
    Difference(
        test="test_every_form_of_an_instance_is_taken_by_every_form_of_the_target",
        case="*:cim_service*",
        instead="CIM_Service has no method 'DefineSystem'",
        why=_DECLARED,
    ),
    Difference(
        test="test_the_methods_may_be_asked_of_the_class_of_its_superclass_and_of_an_instance",
        instead="CIM_ResourcePoolConfigurationService has no method 'CreateResourceInPool'",
        why=_DECLARED,
    ),
    Difference(
        test="test_pausing_a_halted_system_is_refused_as_wrong_state",
        flavours=("sfcb",),
        instead="not enough values to unpack",
        why="sfcb carries no CIM_Error with a failure",
    ),
    Difference(
        test="test_the_version_of_the_error_table_is_told_beforehand_and_with_every_error",
        flavours=("Pegasus",),
        instead="ErrorTableVersion",
        why="CMPI's CIM_Error has the DMTF's properties, and none of our own",
    ),
    Difference(
        test="test_the_version_of_the_error_table_is_told_beforehand_and_with_every_error",
        flavours=("sfcb",),
        instead="tuple index out of range",
        why="sfcb carries no CIM_Error with a failure",
    ),
)


def difference_of(item: pytest.Item) -> Difference | None:
    """The row for a test."""
    test, _, parameters = item.name.partition("[")
    flavour, _, case = parameters.removesuffix("]").partition("-")
    for row in DIFFERENCES:
        if row.test == test and flavour in row.flavours and fnmatchcase(case, row.case):
            return row
    return None
