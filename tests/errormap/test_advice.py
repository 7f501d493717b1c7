"""What people are told beyond the sentence: who reported it, the probable cause, what to do."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.errormap import (
    ErrorCode,
    Fault,
    TableError,
    advice,
    from_libvirt,
    from_qemu,
    from_record,
    from_transport,
    from_xapi,
    from_xend,
    general_advice,
    rules,
    translate,
)
from virtcim.errormap.engine import DEFAULTS, decide
from virtcim.errormap.reading.facts import Facts
from virtcim.errormap.rules import PLACEHOLDER
from virtcim.errormap.telling.advice import named, parse, read
from virtcim.errormap.telling.named import GIVEN_BY_TEXT, from_text

_CASES = [
    json.loads(line)
    for path in sorted((Path(__file__).parent / "cases").glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]


def _libvirt(message: str, number: int = 1, int1: int = -1, operation: str = "") -> Fault:
    return from_libvirt(code=number, message=message, int1=int1, operation=operation)


def test_every_known_fault_has_a_reporter_a_cause_and_something_to_do() -> None:
    for case in _CASES:
        told = advice(translate(from_record(case)))
        assert told.reported.endswith("."), case
        assert told.cause.endswith("."), case
        assert told.actions, case
        texts = (told.reported, told.cause, *told.actions)
        assert not any(PLACEHOLDER.search(text) for text in texts), case


@pytest.mark.parametrize("code", list(ErrorCode))
def test_what_virtcim_finds_itself_has_advice_too(code: ErrorCode) -> None:
    told = general_advice(code)
    assert told.reported == "Reported by virtcim itself."
    assert told.cause
    assert told.actions


def test_memory_advice_names_how_much_is_needed_and_free() -> None:
    error = translate(
        from_xapi(["HOST_NOT_ENOUGH_FREE_MEMORY", "4294967296", "1073741824"], operation="VM.start")
    )
    told = advice(error)
    assert told.probable_cause == 33
    assert "4.0 GiB are needed, 1.0 GiB are free" in told.actions[0]
    assert told.arguments == {"needed": "4294967296", "free": "1073741824"}
    assert any("high availability" in action for action in told.actions)


def test_memory_in_other_units_is_read_in_them() -> None:
    fault = from_xend(
        fault_code=2,
        fault_string="Not enough free memory: I need 4194304 KiB, but I only have 1048576",
    )
    assert "4.0 GiB are needed, 1.0 GiB are free" in advice(translate(fault)).actions[0]


@pytest.mark.parametrize(
    ("fault", "sentence", "action"),
    [
        (
            _libvirt("Failed to create image '/data/a': Permission denied", 38, 13),
            "The file /data/a cannot be found, opened or read.",
            "Check that /data/a exists where the hypervisor runs",
        ),
        (
            _libvirt("Requested operation is not valid: domain is not running", 55),
            "The virtual machine must be running for this operation.",
            "Bring the virtual machine into the state running first",
        ),
        (
            from_xapi(["VM_BAD_POWER_STATE", "r", "Running", "Halted"]),
            "The virtual machine is halted, but must be running for this operation.",
            "Bring the virtual machine into the state running first",
        ),
        (
            _libvirt("operation failed: domain 'web 1' already exists with uuid x", 9),
            "The name web 1 is already taken.",
            "Choose another name or identifier than web 1.",
        ),
        (
            _libvirt("Domain not found: no domain with matching uuid '1-2' (web)", 42),
            "There is no virtual machine or snapshot web.",
            "Read the list of virtual machines again, and check that web is among them.",
        ),
        (
            _libvirt("Unable to resolve address 'far.invalid' service '1': Name or ...", 38),
            "The host name far.invalid cannot be resolved.",
            "Check the spelling of far.invalid.",
        ),
        (
            from_qemu(
                {
                    "class": "GenericError",
                    "desc": "The image '/d/a.img' is in use: locked by process 4711",
                }
            ),
            "/d/a.img is in use by process 4711.",
            "Stop process 4711, or detach /d/a.img there, and try again.",
        ),
        (
            _libvirt("Failed to get shared lock: is another process using the image [/d/a.img]?"),
            "/d/a.img is locked by another process or virtual machine.",
            "Find out who has opened /d/a.img",
        ),
        (
            from_xapi(["OTHER_OPERATION_IN_PROGRESS", "VM", "OpaqueRef:1", "clean_shutdown", "r"]),
            "Another operation (clean_shutdown) is in progress on this VM.",
            "Wait until clean_shutdown has ended",
        ),
        (
            from_xapi(["RBAC_PERMISSION_DENIED", "VM.start", "no"]),
            "The user's roles do not allow VM.start.",
            "Give the user a role that holds VM.start",
        ),
    ],
)
def test_sentence_and_advice_name_what_the_fault_names(
    fault: Fault, sentence: str, action: str
) -> None:
    error = translate(fault)
    assert error.message.startswith(f"{sentence} [")
    assert advice(error).actions[0].startswith(action)


@pytest.mark.parametrize(
    "fault",
    [
        from_xapi(["VM_NOT_RESIDENT_HERE", "OpaqueRef:1", "OpaqueRef:2"]),
        _libvirt("Requested operation is not valid: cannot do this now", 55),
        from_xapi(["INVALID_VALUE", "", ""]),
    ],
)
def test_advice_for_a_thing_that_the_fault_does_not_name_is_not_given(fault: Fault) -> None:
    error = translate(fault)
    told, general = advice(error), general_advice(error.code)
    assert (told.cause, told.actions) == (general.cause, general.actions)


def test_a_value_that_is_refused_is_named_with_its_parameter() -> None:
    told = advice(translate(from_xapi(["INVALID_VALUE", "memory", "-1"])))
    assert told.actions == ("Correct memory: the value -1 cannot be used.",)


def test_without_its_arguments_a_fault_gets_the_general_advice() -> None:
    told = advice(translate(from_xapi(["RBAC_PERMISSION_DENIED"])))
    general = general_advice(ErrorCode.ERR_ACCESS_DENIED)
    assert (told.cause, told.actions) == (general.cause, general.actions)


def test_programs_and_words_that_are_no_names_are_not_taken_for_them() -> None:
    error = translate(_libvirt("internal error: /usr/bin/qemu-img: No such file or directory"))
    assert "file" not in advice(error).arguments
    error = translate(
        from_xend(fault_code=2, fault_string="Domain unable to be paused: (3, 'No such process')")
    )
    assert "name" not in advice(error).arguments


@pytest.mark.parametrize(
    ("fault", "reported"),
    [
        (_libvirt("x"), "Reported by libvirt."),
        (from_xapi(["VM_IS_TEMPLATE", "r"]), "Reported by the XenAPI server."),
        (
            from_xapi(["LIBVIRT_ERROR", "42", "VIR_ERR_NO_DOMAIN", "QEMU", "gone", "", "-1"]),
            "Reported by libvirt.",
        ),
        (from_xend(fault_code=3, fault_string="5"), "Reported by xend."),
        (from_qemu({"class": "CommandNotFound", "desc": "x"}), "Reported by the emulator (QEMU)."),
        (
            from_transport(phase="connect", exception="ConnectionRefusedError", errno=111),
            "Noticed on the connection; the hypervisor itself reported nothing.",
        ),
    ],
)
def test_it_is_said_who_reported_the_failure(fault: Fault, reported: str) -> None:
    assert advice(translate(fault)).reported == reported


def test_every_rule_that_advice_is_given_for_leads_to_its_code() -> None:
    known = [*rules(), *DEFAULTS]
    table = read()
    for code, entries in table.entries.items():
        for entry in entries:
            for one in entry.rules:
                found = [
                    rule
                    for rule in known
                    if (rule.id.startswith(one[:-1]) if one.endswith("*") else rule.id == one)
                ]
                assert any(rule.err is code for rule in found), (code.name, one)
    for one in table.arguments:
        assert any(rule.id.startswith(one.removesuffix("*")) for rule in known), one


def test_every_entry_holds_for_some_fault() -> None:
    faults = [
        *map(from_record, _CASES),
        from_xapi(["SESSION_AUTHENTICATION_FAILED", "root", "Authentication failure"]),
        from_qemu({"class": "GenericError", "desc": "'/d/a' is in use: locked by process 1"}),
        from_qemu({"class": "GenericError", "desc": "drive is in use: locked by process 1"}),
        from_xapi(["HOST_IS_SLAVE"]),
        from_xend(fault_code=2, fault_string="Failed to find an unused loop device"),
        from_xend(fault_code=2, fault_string="Boot loader didn't return any data!"),
    ]
    held = set()
    for fault in faults:
        decision = decide(fault)
        known = named(decision.rule, decision.facts)
        entries = read().entries[decision.rule.err]
        held.add(
            next(
                one
                for one in entries
                if one.concerns(decision.rule.id) and one.fits(decision.facts, known)
            )
        )
    all_entries = {one for entries in read().entries.values() for one in entries}
    assert all_entries - held == set()


def test_every_declared_name_is_used_and_described() -> None:
    table = read()
    texts = [
        text
        for entries in table.entries.values()
        for entry in entries
        for text in (entry.sentence, entry.cause, *entry.actions)
    ]
    used = {match[1] for text in texts for match in PLACEHOLDER.finditer(text)}
    used |= {name for names in table.arguments.values() for name in names if name}
    assert used == set(table.names)
    assert {name for names in GIVEN_BY_TEXT.values() for name in names} <= used


@given(st.text(), st.lists(st.text(max_size=300), max_size=6))
def test_any_text_gets_advice(text: str, arguments: list[str]) -> None:
    for fault in (
        _libvirt(text),
        from_xapi([text, *arguments]),
        from_xapi(["VM_BAD_POWER_STATE", *arguments]),
        from_xend(fault_code=2, fault_string=text),
    ):
        told = advice(translate(fault), "de")
        assert told.cause
        assert all(action.isprintable() for action in told.actions)


@pytest.mark.parametrize(
    "part",
    [
        *("'/", "'/a", "/a", " /", "/a/", "[/", "'a' ", "'", "already '", "duplicate ", "domain "),
        *(
            "domain '",
            "domain with matching uuid '",
            "in use by domain ",
            "locked by the ",
            "vm is ",
        ),
        *("resolve host ", 'method "', "snapshot named name id uuid ", "'a' with b ", "\u2018/"),
    ],
)
def test_names_are_looked_for_in_bounded_time_whatever_a_text_repeats(part: str) -> None:
    text = (part * (1_000_000 // len(part) + 1))[:1_000_000]
    facts = Facts(_libvirt(text))
    for code in GIVEN_BY_TEXT:
        started = time.process_time()
        found = from_text(code, facts)
        # An exponential or quadratic pattern would take minutes here, not a share of a second.
        assert time.process_time() - started < 10, code
        assert set(found) <= GIVEN_BY_TEXT[code]


_SPECIAL = "rules = ['a.b']\nprobable_cause = 1\ncause = 'c'\nactions = ['a']\n"
_HEAD = "[names]\nfile = 'f'\n[arguments]\n[reporters]\nxapi = 'x'\n"


def _document(**changed: str) -> str:
    parts = {code.name: f"[[advice]]\nerr = '{code.name}'\n{_SPECIAL}" for code in ErrorCode}
    return _HEAD + "".join((parts | changed).values())


def test_a_complete_table_is_read() -> None:
    special, general = parse(_document()).entries[ErrorCode.ERR_UNKNOWN]
    assert special.cause == "c"
    assert general.cause == general_advice(ErrorCode.ERR_UNKNOWN).cause


@pytest.mark.parametrize(
    ("entry", "slip"),
    [
        ("[[advice]]\nerr = 'ERR_SUCCESS'\ncause = 'c'\n", "general stands in the vocabulary"),
        ("[[advice]]\nerr = 'ERR_SUCCESS'\nactions = ['a']\n", "stands in the vocabulary"),
        ("[[advice]]\nerr = 'ERR_SUCCESS'\ncause = '{x}'\n", "{x} is not declared"),
        (f"[[advice]]\nerr = 'ERR_SUCCESS'\ncolour = 'c'\n{_SPECIAL}", "unknown field 'colour'"),
        (f"[[advice]]\nerr = 'ERR_SUCCESS'\nsentence = 1\n{_SPECIAL}", "sentence is no text"),
        (
            "[[advice]]\nerr = 'ERR_SUCCESS'\nrules = 'a'\ncause = 'c'\n",
            "rules is no list of texts",
        ),
    ],
)
def test_a_slip_in_the_table_is_named(entry: str, slip: str) -> None:
    with pytest.raises(TableError, match=slip.replace("{", r"\{")):
        parse(_document(ERR_SUCCESS=entry))


def test_an_unknown_code_and_broken_text_are_named() -> None:
    with pytest.raises(TableError, match="ERR_NONE"):
        parse(_document(more=f"[[advice]]\nerr = 'ERR_NONE'\n{_SPECIAL}"))
    with pytest.raises(TableError, match="advice"):
        parse("[names")
    with pytest.raises(TableError, match="consists of"):
        parse("[names]\n")


def test_the_same_fault_always_gets_the_same_advice() -> None:
    case: dict[str, Any] = _CASES[0]
    error = translate(from_record(case))
    assert advice(error) == advice(error)
