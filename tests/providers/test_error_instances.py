"""CIM_Error instances: true to their declaration for every code, and nothing of the cause lost."""

from __future__ import annotations

import pytest

from tests.providers.test_conformance import check_scalar
from virtcim.cim.path_text import path_text
from virtcim.errormap import ErrorCode, from_xapi, translate
from virtcim.hypervisor.change import RolledBackError
from virtcim.mof import Schema
from virtcim.providers import CimError, ObjectPath, failure
from virtcim.providers.errors import failure_of, from_hypervisor, translated

PATH = ObjectPath("VirtCIM_ComputerSystem", {"Name": 'a"b\\c'}, namespace="root/virt")


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_has_an_error_instance_that_fits_its_class(
    schema: Schema, code: ErrorCode
) -> None:
    error = failure(code, "something happened", source=PATH)
    assert error.description == f"{code.name}: something happened"
    assert error.status_code == code.cim_status
    assert failure_of(error).code is code
    declared = schema.find("VirtCIM_Error")
    assert declared is not None
    (record,) = error.errors
    for name, value in record.values.items():
        # The declaration knows no status for success, and no error stands for it either.
        if name == "CIMStatusCode" and code is ErrorCode.ERR_SUCCESS:
            continue
        assert isinstance(value, list) == bool(declared.properties[name].is_array), name
        for item in value if isinstance(value, list) else [value]:
            check_scalar(item, declared.properties[name], name)
    assert record.values["MessageID"] == code.name
    assert record.values["RecommendedActions"]


def test_what_the_deepest_source_reported_is_among_the_arguments() -> None:
    fault = from_xapi(
        [
            "LIBVIRT_ERROR",
            "38",
            "VIR_ERR_SYSTEM_ERROR",
            "QEMU",
            "Cannot access storage file '/images/x.img': No such file or directory",
            "",
            "2",
        ],
        operation="VM.start",
    )
    error = from_hypervisor(translate(fault), PATH)
    assert error.description.startswith("ERR_CANNOT_ACCESS_DISK_FILE: ")
    arguments = error.errors[0].values["MessageArguments"]
    assert isinstance(arguments, list)
    assert "libvirt" in arguments
    assert "38" in arguments
    assert any("/images/x.img" in str(argument) for argument in arguments)


def test_cause_and_actions_name_what_the_fault_names_and_who_reported_it() -> None:
    fault = from_xapi(
        ["HOST_NOT_ENOUGH_FREE_MEMORY", "4294967296", "1073741824"], operation="VM.start"
    )
    values = from_hypervisor(translate(fault), PATH).errors[0].values
    assert values["ProbableCause"] == 33
    cause, actions = values["ProbableCauseDescription"], values["RecommendedActions"]
    assert isinstance(cause, str)
    assert cause.endswith("Reported by the XenAPI server.")
    assert isinstance(actions, list)
    assert "4.0 GiB are needed, 1.0 GiB are free" in str(actions[0])


def test_a_failure_is_told_again_in_another_language() -> None:
    error = from_hypervisor(translate(from_xapi(["VM_IS_TEMPLATE", "r"])), PATH)
    german = error.in_language("de")
    assert (error.language, german.language) == ("en", "de")
    assert german.status_code == error.status_code
    assert german.description.startswith("ERR_WRONG_STATE_FOR_OP: Eine Vorlage kann das nicht")
    (english_record,), (record,) = error.errors, german.errors
    for same in ("MessageID", "MessageArguments", "ErrorSource", "ErrorType", "PerceivedSeverity"):
        assert record.values[same] == english_record.values[same]
    assert german.in_language("de") is german
    assert CimError(4, "bad").in_language("de").description == "bad"


def test_that_nothing_remains_is_told_in_every_language() -> None:
    with pytest.raises(CimError) as raised, translated(PATH):
        raise RolledBackError(from_xapi(["VM_IS_TEMPLATE", "r"]))
    assert raised.value.description.endswith("; nothing of what was asked for remains")
    german = raised.value.in_language("de").description
    assert german.endswith("; was bis dahin getan war, wurde vollständig zurückgenommen")


def test_a_failure_without_an_instance_still_has_a_code() -> None:
    assert failure_of(CimError(4, "bad")).code is ErrorCode.ERR_BAD_PARAMETER
    assert failure_of(CimError(27, "too much")).code is ErrorCode.ERR_OPERATION_FAILED


def test_a_description_is_bounded_whatever_the_client_sent() -> None:
    assert len(failure(ErrorCode.ERR_BAD_PARAMETER, "x" * 100_000).description) < 2100


def test_object_paths_are_written_as_the_standard_says() -> None:
    assert path_text(PATH) == 'root/virt:VirtCIM_ComputerSystem.Name="a\\"b\\\\c"'
    assert path_text(ObjectPath("C")) == "C"
    reference = ObjectPath("A", {"Left": PATH, "Number": 5, "Flag": True})
    assert path_text(reference) == (
        'A.Left="root/virt:VirtCIM_ComputerSystem.Name=\\"a\\\\\\"b\\\\\\\\c\\"",Number=5,Flag=TRUE'
    )
