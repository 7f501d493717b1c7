"""Who has come is told once, until he was away for an hour."""

from __future__ import annotations

import pytest

from virtcim.daemon import arrivals
from virtcim.daemon.arrivals import Arrivals


class _Door:
    """Who was told of."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.came: list[str] = []
        self.arrivals = Arrivals(
            lambda user, peer, by: self.came.append(f"{user} {peer} {by}"), clock=lambda: self.now_s
        )

    def note(self, user: str, peer: str = "a", by: str = "password", *, after_s: float = 0) -> bool:
        """A request; whether it was told of."""
        self.now_s += after_s
        before = len(self.came)
        self.arrivals.note(user, peer, by)
        return len(self.came) > before


def test_a_user_is_told_of_once_for_each_place_and_way() -> None:
    door = _Door()
    for _ in range(3):
        door.note("ann")
        door.note("ann", "b")
        door.note("ann", by="certificate")
        door.note("bob")
    assert door.came == ["ann a password", "ann b password", "ann a certificate", "bob a password"]


def test_whoever_was_away_for_an_hour_comes_anew() -> None:
    door = _Door()
    assert door.note("ann")
    # As long as he asks now and then he is here.
    assert not any(door.note("ann", after_s=3599) for _ in range(5))
    assert door.note("ann", after_s=3600)


def test_of_too_many_the_one_who_was_silent_for_longest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arrivals, "_MOST_REMEMBERED", 3)
    door = _Door()
    assert all(door.note(user) for user in "abc")
    assert not door.note("a")
    assert door.note("d")
    assert [door.note(user) for user in "acdb"] == [False, False, False, True]
