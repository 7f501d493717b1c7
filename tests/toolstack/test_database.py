"""The journal of changes: what a token has seen, and what it has not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.toolstack import database as module
from virtcim.toolstack.database import Database


def everything(_class_name: str, _ref: str) -> bool:
    return True


def record(uuid: str, value: int = 0) -> dict[str, Any]:
    return {"uuid": uuid, "value": value}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from("abcd"), st.integers(0, 3)),
        st.tuples(st.just("remove"), st.sampled_from("abcd"), st.just(0)),
        st.tuples(st.just("touch"), st.sampled_from("abcd"), st.just(0)),
        st.tuples(st.just("poll"), st.just(""), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS)
def test_a_client_that_follows_has_what_the_database_has(steps: list[tuple[str, str, int]]) -> None:
    database = Database(1)
    token, mirror = "", {}

    def poll() -> None:
        nonlocal token
        batch = database.changes_since(database.generation_of(token), everything)
        for change in batch.changes:
            if change.operation == "del":
                del mirror[change.ref]
            else:
                mirror[change.ref] = change.record
        assert batch.token >= token
        token = batch.token
        assert batch.counts["VM"] == len(mirror)

    for step, ref, value in [*steps, ("poll", "", 0)]:
        if step == "publish":
            database.publish("VM", ref, record(f"uuid-{ref}", value))
        elif step == "remove":
            database.remove("VM", ref)
        elif step == "touch":
            database.touch("VM", ref)
        else:
            poll()
            assert mirror == database.records("VM")


def test_an_equal_record_is_no_change() -> None:
    database = Database(1)
    database.publish("VM", "a", record("u"))
    before = database.changes_since(0, everything).token
    database.publish("VM", "a", record("u"))
    assert database.changes_since(0, everything).token == before


def test_objects_are_found_by_the_uuid_they_have_now() -> None:
    database = Database(1)
    database.publish("VM", "a", record("old"))
    database.publish("VM", "a", record("new"))
    assert (database.by_uuid("VM", "old"), database.by_uuid("VM", "new")) == (None, "a")
    database.remove("VM", "a")
    assert database.by_uuid("VM", "new") is None
    assert database.get("VM", "a") is None


def test_tokens_of_another_life_have_seen_nothing() -> None:
    old, new = Database(1), Database(2)
    old.publish("VM", "a", record("u"))
    new.publish("VM", "a", record("u"))
    token = old.changes_since(0, everything).token
    assert new.generation_of(token) == 0
    assert old.generation_of(token) > 0
    assert token < new.changes_since(0, everything).token


def test_a_token_from_the_future_has_seen_nothing() -> None:
    database = Database(1)
    token = database.changes_since(0, everything).token
    assert database.generation_of(token[:-1] + "9") == 0


@pytest.mark.parametrize("token", ["x", "-1", " 1", "1e5", "\u0661"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Database(1).generation_of(token)


def test_deletions_are_forgotten_at_last_and_then_a_token_yields_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_TOMBSTONES", 2)
    database = Database(1)
    for ref in "abcd":
        database.publish("VM", ref, record(ref))
    token = database.changes_since(0, everything).token
    for ref in "abc":
        database.remove("VM", ref)
    assert database.generation_of(token) == 0
    batch = database.changes_since(0, everything)
    assert [(change.operation, change.ref) for change in batch.changes] == [("add", "d")]


def test_changes_that_belong_together_are_seen_together() -> None:
    database = Database(1)
    database.begin_batch()
    database.publish("VM", "a", record("u"))
    assert database.changes_since(0, everything) is None
    database.publish("VBD", "b", record("v"))
    database.end_batch()
    batch = database.changes_since(0, everything)
    assert batch is not None
    assert [change.class_name for change in batch.changes] == ["VM", "VBD"]
