"""Each code of a source has a sentence of its own, and advice that fits it, in every language."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.errormap import (
    Fault,
    TableError,
    advice,
    cim_message,
    from_libvirt,
    from_xapi,
    general_advice,
    translate,
)
from virtcim.errormap.codes import table
from virtcim.errormap.codes.table import TABLES, Code, codes, find, parse
from virtcim.errormap.fault import ErrorCode
from virtcim.errormap.rules import FAMILY, PLACEHOLDER, load
from virtcim.errormap.telling.language import ENGLISH, catalogue, languages
from virtcim.errormap.vocabulary import vocabulary

_HERE = Path(__file__).parent
_ALL = [(name, code) for name in TABLES for code in codes(name)]
_OWN = [(name, code) for name, code in _ALL if not code.synonym]
# Advice of this kind needs something that is named.
_NAMING = re.compile(
    r"\b(?:value|parameter|name)s? (?:that|which) the message names\b", re.IGNORECASE
)


def _catalogue(kind: str) -> list[str]:
    text = (_HERE / "catalogue.txt").read_text(encoding="utf-8")
    section = text.split(f"# {kind}\n", 1)[1].split("\n# ", 1)[0]
    return [code.replace("INTERNAL_ERROR_OF_TASKS", "INTERNAL ERROR") for code in section.split()]


def _fault(name: str, code: str, arguments: tuple[str, ...] = ()) -> Fault:
    if name == "libvirt":
        return from_libvirt(code=int(code))
    if name == "sm":
        return from_xapi([f"SR_BACKEND_FAILURE_{code}", *arguments])
    return from_xapi([code, *arguments])


@pytest.mark.parametrize(
    ("kind", "source", "prefix"),
    [
        ("xapi", "xapi", ""),
        ("xend_xenapi", "xapi", ""),
        ("storage_manager", "xapi", "SR_BACKEND_FAILURE_"),
        ("libvirt", "libvirt", ""),
    ],
)
def test_every_catalogued_code_has_a_sentence(kind: str, source: str, prefix: str) -> None:
    assert [code for code in _catalogue(kind) if find(source, prefix + code) is None] == []


def test_every_code_that_a_rule_names_has_a_sentence_unless_it_is_our_own() -> None:
    named = {
        code
        for rule in load("xapi")
        for code in rule.code
        if FAMILY not in code and not rule.id.startswith("xapi.own.")
    }
    assert [code for code in sorted(named) if find("xapi", code) is None] == []


def test_no_two_codes_share_a_sentence_but_declared_synonyms() -> None:
    told = Counter(text for _, code in _OWN for text in (code.sentence, code.without) if text)
    assert [text for text, times in told.items() if times > 1] == []
    assert set(told) & {word.sentence for word in vocabulary().values()} == set()


def test_a_code_stands_in_one_file_only_and_every_file_is_read() -> None:
    for name in TABLES:
        found = Counter(code.code for code in codes(name))
        assert [code for code, times in found.items() if times > 1] == []
    files = {path.stem for path in Path(table.__file__).parent.glob("*.toml")}
    assert files == {file for names in TABLES.values() for file in names}


def test_sentences_are_one_line_that_a_person_reads_at_a_glance() -> None:
    for name, code in _OWN:
        for text in (code.sentence, code.without):
            assert len(text) <= 150, (name, code.code)
            assert not text or text.endswith((".", "}")), (name, code.code)
            assert "OpaqueRef" not in text


@pytest.mark.parametrize("language", [ENGLISH, *(one for one in languages() if one != ENGLISH)])
def test_each_code_is_told_by_its_own_sentence(language: str) -> None:
    for name, code in _OWN:
        error = translate(_fault(name, code.code))
        bare = code.without or code.sentence
        told = cim_message(error, language).split(": ", 1)[1]
        general = catalogue(language).gettext(vocabulary()[error.code].sentence)
        assert told.startswith(catalogue(language).gettext(bare)), (code.code, error.rule)
        assert not told.startswith(f"{general} ["), code.code


@pytest.mark.parametrize("language", [ENGLISH, *(one for one in languages() if one != ENGLISH)])
def test_a_code_names_its_arguments_where_they_are_given(language: str) -> None:
    for name, code in _OWN:
        named = {match[1] for match in PLACEHOLDER.finditer(code.sentence)}
        if not named:
            continue
        arguments = tuple(str(7001 + at) for at in range(len(code.arguments)))
        if code.code == "HOST_NOT_ENOUGH_FREE_MEMORY":
            arguments = ("4294967296", "1073741824")
        fault = _fault(name, code.code, arguments)
        if fault.cause is not None:
            continue
        told = cim_message(translate(fault), language).rsplit(" [", 1)[0]
        bare = catalogue(language).gettext(code.without)
        assert bare not in told or bare == told, code.code
        assert PLACEHOLDER.search(told) is None
        assert any(char.isdigit() for char in told), code.code


_HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", "OpaqueRef:NULL", "{0}", "{vm}", "{x:bytes}", "%s", "\x00\x1b[2J", "9" * 400, "\ud800"]
    ),
)


@given(at=st.integers(0, len(_OWN) - 1), arguments=st.lists(_HOSTILE, max_size=9))
def test_filling_never_fails_whatever_the_arguments(at: int, arguments: list[str]) -> None:
    name, code = _OWN[at]
    error = translate(_fault(name, code.code, tuple(arguments)))
    for language in languages():
        told = cim_message(error, language)
        assert told.isprintable()
        assert "OpaqueRef" not in told.split(" [", 1)[0] or code.sentence == ""
        assert advice(error, language).actions


def test_a_reference_is_never_shown_in_a_sentence() -> None:
    for name, code in _OWN:
        fault = _fault(name, code.code, tuple("OpaqueRef:1" for _ in code.arguments))
        assert "OpaqueRef" not in translate(fault).message.split(" [", 1)[0], code.code
    within = from_xapi(["CANNOT_EVACUATE_HOST", "VM_REQUIRES_SR,OpaqueRef:1,OpaqueRef:2"])
    assert translate(within).message.startswith(
        "The host cannot be emptied of its virtual machines."
    )


def test_no_advice_speaks_of_a_named_value_unless_the_code_names_one() -> None:
    for name, code in _OWN:
        told = advice(translate(_fault(name, code.code)))
        assert not [text for text in told.actions if _NAMING.search(text)], code.code
    general = general_advice(ErrorCode.ERR_BAD_PARAMETER)
    assert not any(_NAMING.search(text) for text in general.actions)


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        (from_xapi(["VM_IS_IMMOBILE", "OpaqueRef:1"]), "detach that device"),
        (from_xapi(["LICENSE_PROCESSING_ERROR"]), "Get a licence for this version"),
        (from_xapi(["LICENSE_FILE_DEPRECATED"]), "Get a licence for this version"),
        (from_xapi(["HANDLE_INVALID", "VDI", "OpaqueRef:1"]), "Read the list of these objects"),
        (from_xapi(["UUID_INVALID", "SR", "1-2"]), "Read the list of these objects"),
        (
            from_xapi(["SR_BACKEND_FAILURE_46", "", "[opterr=VDI 1 not detached cleanly]", ""]),
            "Find the host that holds it",
        ),
        (from_xapi(["SR_BACKEND_FAILURE_453", "", "", ""]), "what tapdisk met"),
    ],
)
def test_advice_fits_the_code(fault: Fault, part: str) -> None:
    assert part in advice(translate(fault)).actions[0]


def test_figures_of_missing_memory_are_shown_for_a_moving_disk() -> None:
    fault = from_xapi(
        ["HOST_NOT_ENOUGH_FREE_MEMORY", "4294967296", "1073741824"], operation="VDI.pool_migrate"
    )
    assert "4.0 GiB are needed, 1.0 GiB are free" in translate(fault).message


@pytest.mark.parametrize(
    ("document", "slip"),
    [
        ('[code.X]\nsentence = "A."\ncolour = "red"\n', "unknown field 'colour'"),
        ('[code.X]\nsentence = "A {vm}."\nwithout = "A."\n', "nothing gives {vm}"),
        ('[code.X]\narguments = ["vm"]\nsentence = "A {vm}."\n', "without goes with"),
        ('[code.X]\nsentence = "A."\nadvice = "none"\n', "there is no advice"),
        ('[advice.a]\nactions = ["B."]\n[code.X]\nsentence = "A."\n', "is of no code"),
        (
            '[advice.a]\nwhy = "B."\n[code.X]\nsentence = "A."\nadvice = "a"\n',
            "unknown field 'why'",
        ),
        ('[code.X]\nsynonym = "Y"\nsentence = "A."\n', "nothing but a synonym"),
        ('[code.X]\narguments = ["a"]\nsentence = "{a:miles}"\nwithout = "A."\n', "unknown unit"),
        ("[code.X]\nsentence = 1\n", "is no text"),
        ("[[rule]]\n", "consists of code and advice"),
    ],
)
def test_a_slip_in_a_table_of_codes_is_named(document: str, slip: str) -> None:
    with pytest.raises(TableError, match=re.escape(slip)):
        parse(document, "made-up")


def test_a_synonym_is_told_as_the_code_that_it_spells() -> None:
    synonyms = [(name, code) for name, code in _ALL if code.synonym]
    assert synonyms
    for _, code in synonyms:
        found = find("xapi", code.code)
        assert isinstance(found, Code)
        assert found.code == code.synonym
