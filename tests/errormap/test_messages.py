"""The sentences for people."""

from __future__ import annotations

from virtcim.errormap import (
    ErrorCode,
    Fault,
    cim_message,
    from_libvirt,
    from_xapi,
    from_xend,
    rules,
    translate,
)
from virtcim.errormap.vocabulary import vocabulary


def test_memory_is_named_with_its_amounts() -> None:
    error = translate(
        from_xapi(
            ["HOST_NOT_ENOUGH_FREE_MEMORY", "4294967296", "1073741824"], operation="VM.start_on"
        )
    )
    assert error.message.startswith(
        "The host has not enough free memory: 4.0 GiB are needed, 1.0 GiB are free."
    )


def test_memory_that_a_host_names_when_asked_is_named_for_the_start_that_failed() -> None:
    cause = from_xapi(
        ["HOST_NOT_ENOUGH_FREE_MEMORY", "4294967296", "1073741824"],
        operation="VM.assert_can_boot_here",
    )
    fault = Fault(source="xapi", operation="VM.start", code="NO_HOSTS_AVAILABLE", cause=cause)
    assert "4.0 GiB are needed, 1.0 GiB are free" in translate(fault).message


def test_memory_in_kibibytes_is_named_with_the_same_amounts() -> None:
    error = translate(
        from_xapi(
            ["HOST_NOT_ENOUGH_FREE_MEMORY", "4194304", "1048576"],
            operation="VM.set_memory_dynamic_range",
        )
    )
    assert "4.0 GiB are needed, 1.0 GiB are free" in error.message


def test_a_file_is_named_as_it_is_spelled() -> None:
    message = "Cannot access storage file '/Data/Web.QCOW2': No such file or directory"
    error = translate(from_libvirt(code=38, message=message, int1=2))
    assert error.message.startswith("The file /Data/Web.QCOW2 cannot be found or opened. [libvirt")


def test_states_are_named() -> None:
    error = translate(from_xapi(["VM_BAD_POWER_STATE", "r", "halted", "running"]))
    assert error.message.startswith("The virtual machine is running, but must be halted")


def test_a_missing_argument_gives_the_general_sentence() -> None:
    error = translate(from_xapi(["VM_BAD_POWER_STATE"]))
    assert (
        error.message == "The virtual machine is not in the power state that this operation needs."
        " [xapi VM_BAD_POWER_STATE]"
    )


def test_the_description_names_code_sentence_and_the_sources_own_words() -> None:
    error = translate(from_xapi(["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""]))
    assert cim_message(error) == (
        "ERR_OUT_OF_DISK_SPACE: The storage repository has not enough free space. "
        "[xapi SR_BACKEND_FAILURE_44 There is insufficient space]"
    )


def test_hostile_text_becomes_one_short_printable_line() -> None:
    hostile = "a\nb\r\n\x00\x1b[31m\u202egnp.exe\ud800" + "x" * 1_000_000
    described = cim_message(translate(from_xend(fault_code=2, fault_string=hostile)))
    assert len(described) <= 2500
    assert described.isprintable()
    assert described.encode("utf-8")


def test_every_code_has_a_sentence() -> None:
    assert set(vocabulary()) == set(ErrorCode)
    for word in vocabulary().values():
        assert word.sentence.endswith(".")


def test_every_rules_own_sentence_is_one() -> None:
    for rule in rules():
        if rule.say:
            assert rule.say[0].isupper() or rule.say[0] == "{", rule.id
            assert rule.say[-1] in ".})", rule.id
