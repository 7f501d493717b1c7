"""The languages of the messages: complete catalogues, and which of them is chosen."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import message_catalogues
import pytest

from virtcim.errormap import (
    ErrorCode,
    accepted_language,
    advice,
    cim_message,
    environment_language,
    from_libvirt,
    from_record,
    from_xapi,
    general_advice,
    languages,
    own_message,
    translate,
)
from virtcim.errormap.telling.language import ENGLISH, catalogue

_TRANSLATED = [one for one in languages() if one != ENGLISH]
_PLACEHOLDER = re.compile(r"\{\w+(?::\w+)?\}")
_RENEW = "run scripts/catalogues, then translate what it lists in errormap/telling/locale"


def test_german_is_there() -> None:
    assert languages() == ("en", "de")


@pytest.mark.parametrize("language", _TRANSLATED)
def test_every_message_is_translated_with_the_same_placeholders(language: str) -> None:
    known = message_catalogues.read(language)
    for message in message_catalogues.template():
        if not message.id:
            continue
        found = known.get(message.id, message.context)
        assert found is not None, f"{message.id}: {_RENEW}"
        assert found.string, f"{message.id}: {_RENEW}"
        assert not found.fuzzy, f"{message.id}: {_RENEW}"
        wanted, given = (
            Counter(_PLACEHOLDER.findall(str(text))) for text in (found.id, found.string)
        )
        assert wanted == given, message.id
        # A sentence stays one.
        if str(message.id)[-1] in ".:" and len(str(message.id)) > 1:
            assert str(found.string)[-1] == str(message.id)[-1], message.id


@pytest.mark.parametrize("language", _TRANSLATED)
def test_the_catalogue_holds_no_text_that_is_gone(language: str) -> None:
    wanted = {(one.id, one.context) for one in message_catalogues.template()}
    found = {(one.id, one.context) for one in message_catalogues.read(language)}
    assert found == wanted, _RENEW


@pytest.mark.parametrize("language", _TRANSLATED)
def test_the_compiled_catalogue_is_that_of_the_source(language: str) -> None:
    compiled = catalogue(language)
    for message in message_catalogues.read(language):
        if message.id:
            text = str(message.id)
            told = (
                compiled.pgettext(message.context, text)
                if message.context
                else compiled.gettext(text)
            )
            assert told == message.string, _RENEW


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de-DE, en;q=0.5", "de"),
        ("en, de;q=0.9", "en"),
        ("en;q=0.3, de;q=0.9", "de"),
        ("fr, de;q=0.2", "de"),
        ("fr, es", "en"),
        ("fr, *;q=0.1", "en"),
        ("*, de;q=0.5", "en"),
        ("de;q=0", "en"),
        ("de-CH, de;q=0", "en"),
        ("en-US,en;q=0.9,de;q=0.8", "en"),
        ("de ; q = 0.7 , en ; q = 0.6", "de"),
        ("de;q=2", "en"),
        ("de;q=0.5555", "en"),
        (";;;,,,q=1", "en"),
        ("../../etc, de", "de"),
        (",".join(["x" * 30] * 10_000), "en"),
    ],
)
def test_the_language_of_a_request_follows_its_weights(header: str, language: str) -> None:
    assert accepted_language(header) == language


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LANG": "de_AT@euro"}, "de"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "C"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "de_DE.UTF-8"}, "de"),
        ({"LANG": "de_DE", "LC_ALL": "POSIX"}, "en"),
        ({"LANG": "de_DE", "LC_ALL": ""}, "de"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LANG": "fr_FR.UTF-8", "LANGUAGE": "fr:de"}, "de"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "en"}, "en"),
        ({"LANG": "C", "LANGUAGE": "de"}, "en"),
        ({"LANGUAGE": "de"}, "en"),
        ({"LANG": "../../de"}, "en"),
    ],
)
def test_the_language_of_a_command_follows_the_locale(
    environment: dict[str, str], language: str
) -> None:
    assert environment_language(environment) == language


def test_code_and_the_sources_own_words_are_the_same_in_every_language() -> None:
    fault = from_libvirt(
        code=38, message="Cannot access storage file '/a b.img': No such file or directory", int1=2
    )
    error = translate(fault)
    english, german = cim_message(error), cim_message(error, "de")
    assert german.startswith(
        "ERR_CANNOT_ACCESS_DISK_FILE: Die Datei /a b.img kann nicht gefunden oder geöffnet werden. "
    )
    assert english[english.index("[") :] == german[german.index("[") :]


def test_numbers_and_states_are_written_as_the_language_writes_them() -> None:
    memory = translate(
        from_xapi(["HOST_NOT_ENOUGH_FREE_MEMORY", "1610612736", "1024"], operation="VM.start")
    )
    assert "1,5 GiB werden gebraucht, 1,0 KiB sind frei" in cim_message(memory, "de")
    state = translate(from_xapi(["VM_BAD_POWER_STATE", "r", "Running", "Halted"]))
    assert "ist ausgeschaltet, muss für diesen Vorgang aber eingeschaltet sein" in cim_message(
        state, "de"
    )


def test_advice_is_in_the_language_wanted() -> None:
    told = advice(translate(from_xapi(["VM_IS_TEMPLATE", "r"])), "de")
    assert told.language == "de"
    assert told.reported == "Gemeldet vom XenAPI-Server."
    assert told.actions == (
        "Zuerst durch Klonen oder Kopieren eine virtuelle Maschine daraus machen.",
    )


def test_what_virtcim_says_itself_stands_behind_the_sentence_of_its_code() -> None:
    code = ErrorCode.ERR_BAD_PARAMETER
    assert own_message(code, "no such key") == "ERR_BAD_PARAMETER: no such key"
    assert own_message(code, "no such key", "de") == (
        "ERR_BAD_PARAMETER: Ein angegebener Wert ist für diesen Vorgang nicht gültig. "
        "[virtcim: no such key]"
    )
    assert general_advice(code, "de").cause.startswith("Die Anfrage enthält einen Wert")


def test_every_known_fault_is_told_in_every_language() -> None:
    cases = Path(__file__).parent / "cases"
    for path in sorted(cases.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            error = translate(from_record(json.loads(line)))
            english = cim_message(error)
            for language in _TRANSLATED:
                told = cim_message(error, language)
                assert told.startswith(f"{error.code.name}: ")
                assert told != english
                assert told.isprintable()
                assert "Content-Type" not in told


def test_an_unknown_language_is_english() -> None:
    error = translate(from_xapi(["VM_IS_TEMPLATE", "r"]))
    assert cim_message(error, "xx") == cim_message(error)
