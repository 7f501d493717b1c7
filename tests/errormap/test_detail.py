"""The source's own words behind the sentence: concise, and nothing of value lost."""

from __future__ import annotations

from virtcim.errormap import cim_message, from_libvirt, from_transport, from_xapi, translate
from virtcim.errormap.telling.messages import detail

_TAKEN = "operation failed: domain 'web1' already exists with uuid 1"


def _envelope(*fields: str) -> list[str]:
    return ["LIBVIRT_ERROR", *fields]


def test_a_libvirt_error_in_the_envelope_shows_its_number_name_message_and_call() -> None:
    name, domain, template = "VIR_ERR_OPERATION_FAILED", "VIR_FROM_DOMAIN", "operation failed: %s"
    fault = from_xapi(_envelope("9", name, domain, _TAKEN, template, "-1"), operation="VM.create")
    assert detail(fault) == (
        "libvirt 9 VIR_ERR_OPERATION_FAILED VIR_FROM_DOMAIN (via xapi VM.create): " + _TAKEN
    )
    assert cim_message(translate(fault)).endswith(f"[{detail(fault)}]")


def test_an_errno_is_shown_by_its_name() -> None:
    fault = from_libvirt(code=38, code_name="VIR_ERR_SYSTEM_ERROR", message="refusé", int1=13)
    assert detail(fault) == "libvirt 38 VIR_ERR_SYSTEM_ERROR EACCES: refusé"


def test_another_number_of_libvirt_is_shown_as_it_is() -> None:
    assert detail(from_libvirt(code=1, message="x", int1=7)) == "libvirt 1 7: x"
    assert detail(from_libvirt(code=38, message="x", int1=-2)) == "libvirt 38 -2: x"


def test_a_second_text_is_shown_only_where_the_message_does_not_hold_it() -> None:
    assert detail(from_libvirt(code=1, message="all of it", str1="of it")) == "libvirt 1: all of it"
    assert detail(from_libvirt(code=1, message="", str1="rest")) == "libvirt 1 rest"


def test_an_envelope_without_a_libvirt_error_in_it_names_its_call() -> None:
    assert detail(from_xapi(_envelope(), operation="VM.start")) == "libvirt (via xapi VM.start)"
    assert detail(from_xapi(_envelope("1"))) == "libvirt 1 (via xapi)"


def test_other_sources_show_code_arguments_and_text() -> None:
    assert detail(from_xapi(["VM_IS_TEMPLATE", "r"])) == "xapi VM_IS_TEMPLATE r"
    lost = from_transport(phase="connect", errno=111, message="refused")
    assert detail(lost) == "transport ECONNREFUSED connect 111: refused"
