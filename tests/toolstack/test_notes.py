"""What clients note on objects: kept before it is shown, and gone with its object."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from virtcim.toolstack.database import Database
from virtcim.toolstack.datamodel import CLASSES
from virtcim.toolstack.records.notes import Notes
from virtcim.toolstack.records.together_lock import TogetherLock
from virtcim.toolstack.refs import reference

_UUID = "3a7c2f0e-6d0f-4f43-9b42-6a3c9d5f1e11"
_SR = reference("SR", _UUID)


class _Disk:
    """A state that a test lets come to the disk: ``meanwhile`` happens before it is there."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str, dict[str, object]]] = []
        self.forgotten: list[tuple[str, str]] = []
        self.meanwhile: Any = lambda: None
        self.failure: Exception | None = None

    def all_notes(self) -> dict[tuple[str, str], dict[str, object]]:
        return {}

    def set_notes(self, class_name: str, uuid: str, fields: Mapping[str, object]) -> _Arriving:
        self.kept.append((class_name, uuid, dict(fields)))
        return _Arriving(self)

    def forget_notes(self, class_name: str, uuid: str) -> None:
        self.forgotten.append((class_name, uuid))


class _Arriving(Future[list[tuple[object, ...]]]):
    def __init__(self, disk: _Disk) -> None:
        super().__init__()
        self._disk = disk

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._disk.meanwhile()
        return self._disk.failure


class _Noted:
    """A database with one storage repository, and the notes on it."""

    def __init__(self) -> None:
        self.database = Database(1)
        self.disk = _Disk()
        self.lock = TogetherLock(self.database)
        self.notes = Notes(self.database, self.disk, self.lock)  # type: ignore[arg-type]
        self.publish()

    def publish(self) -> None:
        values = {"uuid": _UUID, "name_description": "", **self.notes.of("SR", _UUID)}
        self.database.publish("SR", _SR, CLASSES["SR"].record(values))

    def remove(self) -> None:
        with self.lock:
            self.notes.forget("SR", _UUID)
            self.database.remove("SR", _SR)

    @property
    def shown(self) -> object:
        record = self.database.get("SR", _SR)
        return None if record is None else record["name_description"]


@pytest.fixture
def noted() -> _Noted:
    return _Noted()


def test_a_note_is_shown_once_it_is_kept(noted: _Noted) -> None:
    shown: list[object] = []
    noted.disk.meanwhile = lambda: shown.append(noted.shown)
    noted.notes.set("SR", _SR, "name_description", "mine")
    assert (shown, noted.shown) == ([""], "mine")
    assert noted.disk.kept == [("SR", _UUID, {"name_description": "mine"})]


def test_a_note_that_cannot_be_kept_is_not_shown(noted: _Noted) -> None:
    noted.disk.failure = OSError("no space")
    with pytest.raises(OSError, match="no space"):
        noted.notes.set("SR", _SR, "name_description", "mine")
    assert noted.shown == ""
    assert noted.notes.of("SR", _UUID) == {}


def test_a_note_goes_with_its_object(noted: _Noted) -> None:
    noted.notes.set("SR", _SR, "name_description", "mine")
    noted.remove()
    noted.publish()
    assert (noted.shown, noted.disk.forgotten) == ("", [("SR", _UUID)])


def test_a_note_that_is_being_written_goes_with_its_object_even_if_another_one_takes_its_place(
    noted: _Noted,
) -> None:
    def another() -> None:
        noted.remove()
        noted.publish()

    noted.disk.meanwhile = another
    noted.notes.set("SR", _SR, "name_description", "mine")
    assert (noted.shown, noted.disk.forgotten) == ("", [("SR", _UUID)])
    assert noted.notes.of("SR", _UUID) == {}


def test_nothing_is_kept_of_an_object_that_is_not_there(noted: _Noted) -> None:
    noted.remove()
    noted.notes.set("SR", _SR, "name_description", "mine")
    assert noted.disk.kept == []
