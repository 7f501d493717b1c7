"""The schema of the whole machine: made with a registration, and taken back with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtcim.cli.register.server import known_receipt, receipt_to_take_back, staying
from virtcim.cli.register.wanted import wanted_schema
from virtcim.mof import cache_directory, ensure_schema, schema_files
from virtcim.registration import (
    Command,
    Plan,
    Receipt,
    RegistrationError,
    Step,
    SystemSchema,
    ToolError,
    carry_out,
    read_receipt,
    system_schema,
)
from virtcim.registration.system_schema import schema_differences, schema_removal, schema_step


@pytest.fixture
def own() -> Path:
    """Where whoever registers has a schema."""
    ensure_schema()
    return cache_directory()


def _making(directory: Path, failing: str) -> None:
    """Registers as far as the schema, where something fails afterwards."""
    schema = system_schema(directory, directory)
    after = Step(purpose="go on", action=Command(words=(failing,)))
    plan = Plan(steps=(*schema_step(schema), after))

    def run(command: Command) -> str:
        if command.words == (failing,):
            raise ToolError(command.words, 1, "made to fail")
        directory.mkdir(exist_ok=True)
        for path in schema_files(directory):
            path.write_text("made")
        return ""

    with pytest.raises(RegistrationError) as caught:
        carry_out(plan, run)
    assert caught.value.left == ()


def test_one_that_was_made_is_taken_back_when_something_fails(tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    _making(directory, "fails")
    assert not directory.exists()


def test_one_that_was_there_in_another_version_is_not_taken_away(tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    directory.mkdir()
    (directory / "schema-0123.xml").write_text("older")
    _making(directory, "fails")
    assert directory.exists()


def test_a_current_one_needs_nothing(own: Path) -> None:
    found = system_schema(own, own)
    assert (found.is_there, found.is_current) == (True, True)
    assert schema_differences(found) == ()
    assert schema_step(found) == ()


def test_what_is_wrong_is_told(own: Path, tmp_path: Path) -> None:
    missing = system_schema(tmp_path / "cache", own)
    assert schema_differences(missing) == (f"there is no compiled CIM schema in {tmp_path}/cache",)
    [step] = schema_step(missing)
    assert isinstance(step.action, Command)
    assert step.action.words[-2:] == ("--file", str(own / "dmtf-cim-schema.zip"))
    (tmp_path / "schema-0123.xml").write_text("damaged")
    [text] = schema_differences(system_schema(tmp_path, own))
    assert text == f"the CIM schema in {tmp_path} is damaged, or of another version of virtcim"


def test_one_that_nobody_has_the_source_of_is_fetched(tmp_path: Path) -> None:
    [step] = schema_step(system_schema(tmp_path / "cache", tmp_path / "none"))
    assert isinstance(step.action, Command)
    assert step.action.words[-1] == "--system"


def test_removal_takes_away_its_files_and_nothing_else(tmp_path: Path) -> None:
    for path in schema_files(tmp_path):
        path.touch()
    (tmp_path / "other").touch()
    carry_out(Plan(steps=schema_removal(str(tmp_path))), lambda _: "")
    assert [each.name for each in tmp_path.iterdir()] == ["other"]
    (tmp_path / "other").unlink()
    carry_out(Plan(steps=schema_removal(str(tmp_path))), lambda _: "")
    assert not tmp_path.exists()
    assert schema_removal(str(tmp_path)) == schema_removal("") == ()


def test_one_that_was_there_or_that_the_other_server_needs_stays_and_that_is_told(
    tmp_path: Path,
) -> None:
    schema = SystemSchema(directory=tmp_path / "cache", is_there=True, is_current=True)
    made = Receipt(schema=str(schema.directory))
    (tmp_path / "sfcb.json").write_text(made.text())
    assert read_receipt(tmp_path / "sfcb.json") == made
    # Made for sfcb, and there for OpenPegasus, too.
    receipt = known_receipt(tmp_path, "pegasus.json", "sfcb.json")
    assert receipt.schema == made.schema
    kept = receipt_to_take_back(receipt, tmp_path, "sfcb.json")
    assert kept.schema == ""
    [finding] = staying(schema, receipt, kept)
    assert "needs the CIM schema there" in finding.text
    (tmp_path / "sfcb.json").unlink()
    gone = receipt_to_take_back(receipt, tmp_path, "sfcb.json")
    assert gone.schema == made.schema
    assert staying(schema, receipt, gone) == ()
    [finding] = staying(schema, Receipt(), Receipt())
    assert (finding.kind, finding.name) == ("left", str(schema.directory))
    assert finding.text == "the CIM schema was there before"


def test_a_receipt_of_an_older_version_says_nothing_of_it(tmp_path: Path) -> None:
    file = tmp_path / "pegasus.json"
    file.write_text('{"interop": "root/interop", "library": "/x", "made": {}}')
    assert read_receipt(file).schema == ""


def test_who_has_no_schema_is_given_one_for_the_time(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTCIM_CIM_SCHEMA", str(own / "dmtf-cim-schema.zip"))
    monkeypatch.setenv("VIRTCIM_CACHE", str(tmp_path / "own"))
    monkeypatch.setattr("virtcim.mof.cache.SYSTEM_CACHE", tmp_path / "cache")
    told: list[str] = []
    with wanted_schema(told.append) as schema:
        assert schema.find("VirtCIM_ComputerSystem") is not None
    assert told
    assert [*tmp_path.iterdir()] == []
