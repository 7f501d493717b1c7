"""What XAPI's tools print for a code is recognised by hashes of the sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from virtcim.errormap import from_record
from virtcim.errormap.compiled import content
from virtcim.errormap.reading import server_prose
from virtcim.errormap.reading.server_prose import (
    PATH,
    beginning_of,
    code_in,
    ending_of,
    key_of,
)
from virtcim.errormap.rules import FAMILY, load

_ROOT = Path(__file__).parents[2]
_SAID = "The odd thing is not there yet. Wait for it."
_BEGINNING = "The odd thing is not there yet."


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that knows one sentence, and what it begins with."""
    known = {key_of(_SAID): "VM_MISSING", key_of(_BEGINNING): "VM_MISSING"}
    monkeypatch.setattr(server_prose, "_table", lambda: known)


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_SAID, ["VM_MISSING"]),
        (_SAID.upper().replace(".", " "), ["VM_MISSING"]),
        (_BEGINNING, ["VM_MISSING"]),
        (f"{_BEGINNING} It is blue.", ["VM_MISSING", "It is blue."]),
        (f"{_SAID}\nvm: 5b1e\nsr: 6c2f (odd)", ["VM_MISSING", "5b1e", "6c2f (odd)"]),
        ("The other thing is not there yet. Wait for it.", []),
        (f"It said: {_SAID}", []),
        ("", []),
    ],
)
def test_a_sentence_stands_for_its_code(text: str, words: list[str]) -> None:
    assert code_in(text) == words


def test_what_stands_around_a_value_is_known_whatever_the_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {
        beginning_of("The blue disk cannot be read by"): "VDI_MISSING",
        ending_of("is blue and cannot be had"): "SR_FULL",
    }
    monkeypatch.setattr(server_prose, "_table", lambda: known)
    told = "The blue disk cannot be read by vm-7, whoever asks."
    assert code_in(told) == ["VDI_MISSING", told]
    assert code_in("Store 12 (local) is blue and cannot be had.")[0] == "SR_FULL"
    assert code_in("The blue disk cannot be") == []
    assert code_in("is blue and cannot be had by anybody") == []


def test_few_words_around_a_value_are_known_to_nobody() -> None:
    assert beginning_of("The blue disk is") == ""
    assert ending_of(" ".join(["blue"] * 21)) == ""


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize(
    "text",
    [
        f"ERROR [c.c.h.Wrapper] (ctx-1) Class: class Types$Exception due to {_SAID}",
        f"Failed to start it: [{_SAID}]",
        f"The machine did not start\n  {_SAID}",
        f"{_BEGINNING[:-1]}: one, two",
    ],
)
def test_the_sentence_is_found_behind_what_a_program_writes_before_it(text: str) -> None:
    fault = from_record({"source": "xapi", "operation": "VM.start", "raw": {"text": text}})
    assert fault.code == "VM_MISSING"


@pytest.mark.usefixtures("odd")
def test_a_report_of_the_sentence_alone_is_the_error_of_the_code() -> None:
    record = {
        "source": "xapi",
        "operation": "VM.start",
        "raw": {"text": f"Error: {_SAID}\nvm: 5b1e"},
    }
    fault = from_record(record)
    assert (fault.code, fault.arguments) == ("VM_MISSING", ("5b1e",))


def test_short_sentences_are_known_to_nobody() -> None:
    assert key_of("No such thing.") == ""


def test_the_table_names_codes_that_rules_decide_on_and_each_sentence_once() -> None:
    table = content(PATH)["sentence"]
    known = {code for rule in load("xapi") for code in rule.code if FAMILY not in code}
    assert set(table) <= known
    keys = [key for of in table.values() for key in of]
    assert len(keys) == len(set(keys)) > 500


def test_the_table_is_made_from_what_releases_say(tmp_path: Path) -> None:
    release = tmp_path / "release"
    release.mkdir()
    (release / "api_errors.ml").write_text('let odd = add_error "SR_FULL"\n', encoding="utf-8")
    (release / "datamodel_errors.ml").write_text(
        'error Api_errors.odd ["x"]\n ~doc:"One odd thing \\\n   happened here. Look." ();\n',
        encoding="utf-8",
    )
    made = tmp_path / "made.toml"
    program = (
        "import sys; from pathlib import Path; import server_prose;"
        "server_prose.PATH = Path(sys.argv.pop(1)); server_prose.main()"
    )
    command = [sys.executable, "-c", program, str(made), str(release)]
    subprocess.run(command, cwd=_ROOT / "scripts", check=True, capture_output=True, timeout=60)
    keys = [key_of("One odd thing happened here. Look."), key_of("One odd thing happened here.")]
    assert sorted(content(made)["sentence"]["SR_FULL"]) == sorted(keys)
    storage = tmp_path / "storage"
    storage.mkdir()
    (storage / "XE_SR_ERRORCODES.xml").write_text(
        "<code><name>OddDisk</name><description>The odd &amp; blue disk is</description>\n"
        " <value>44</value></code>"
        # A single word may stand anywhere.
        "<code><name>Odd</name><description>Nobody knows</description><value>38</value></code>",
        encoding="utf-8",
    )
    command[-1] = str(storage)
    subprocess.run(command, cwd=_ROOT / "scripts", check=True, capture_output=True, timeout=60)
    table = content(made)["sentence"]
    assert table["SR_BACKEND_FAILURE_44"] == [key_of("The odd & blue disk is")]
    assert content(made)["name"] == {"OddDisk": 44}
    center = tmp_path / "center"
    center.mkdir()
    (center / "FriendlyErrorNames.resx").write_text(
        '<data name="VM_IS_TEMPLATE" xml:space="preserve">\n<value>The odd &quot;{0}&quot; is no'
        " machine that starts. Look.</value></data>\n"
        '<data name="SR_NOT_EMPTY"><value>One odd thing too many is in {0} here.</value></data>'
        '<data name="ODD_THING"><value>Nobody has such a code.</value></data>',
        encoding="utf-8",
    )
    command[-1] = str(center)
    subprocess.run(command, cwd=_ROOT / "scripts", check=True, capture_output=True, timeout=60)
    table = content(made)["sentence"]
    assert table["VM_IS_TEMPLATE"] == [ending_of("is no machine that starts")]
    assert table["SR_NOT_EMPTY"] == [beginning_of("One odd thing too many is in")]
    assert "ODD_THING" not in table
    # What it held stays.
    assert sorted(table["SR_FULL"]) == sorted(keys)


def test_a_number_of_the_storage_manager_is_known_by_what_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {key_of("The blue disk is not here"): "SR_BACKEND_FAILURE_46"}
    monkeypatch.setattr(server_prose, "_table", lambda: known)
    told = "The blue disk is not here [opterr=disk 7 already attached RW]"
    assert code_in(told) == ["SR_BACKEND_FAILURE_46", "", told, ""]
    line = f"Nov  3 10:00:00 n7 SM: [77] ***** vdi_attach: EXCEPTION <class 'SR.SROSError'>, {told}"
    fault = from_record({"source": "xapi", "operation": "VDI.attach", "raw": {"text": line}})
    assert (fault.code, fault.arguments[1]) == ("SR_BACKEND_FAILURE_46", told)
