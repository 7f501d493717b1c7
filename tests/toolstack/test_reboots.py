"""Which restarts are the guest's own doing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from virtcim.toolstack.following.reboots import Reboots

ONE = "one"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reboots(clock: Clock) -> Reboots:
    return Reboots(clock)


def test_a_guest_that_restarts_is_seen_once_although_its_firmware_resets_it_again(
    reboots: Reboots, clock: Clock
) -> None:
    for _ in range(4):
        reboots.happened(ONE)
        clock.now += 0.5
    assert (reboots.own(ONE), reboots.all(ONE)) == (1, 4)
    clock.now += reboots.unsettled_s(ONE)
    reboots.happened(ONE)
    assert reboots.own(ONE) == 2


@pytest.mark.parametrize("cause", ["reset", "crashed"])
@pytest.mark.parametrize("times", [0, 1, 4])
def test_what_follows_a_reset_is_not_the_guests_doing(
    reboots: Reboots, clock: Clock, cause: str, times: int
) -> None:
    getattr(reboots, cause)(ONE)
    for _ in range(times):
        clock.now += 0.5
        reboots.happened(ONE)
        assert reboots.unsettled_s(ONE) > 0
    assert reboots.own(ONE) == 0
    clock.now += reboots.unsettled_s(ONE)
    assert reboots.unsettled_s(ONE) == 0.0
    reboots.happened(ONE)
    assert reboots.own(ONE) == 1


def test_the_restarts_of_a_guest_that_never_comes_to_rest_are_told_apart(
    reboots: Reboots, clock: Clock
) -> None:
    reboots.reset(ONE)
    for _ in range(3):
        clock.now += 2.0
        reboots.happened(ONE)
        clock.now += 0.5
        reboots.happened(ONE)
    assert (reboots.own(ONE), reboots.apart(ONE), reboots.all(ONE)) == (0, 3, 6)


def test_the_firmware_of_a_paused_machine_goes_on_when_the_machine_does(
    reboots: Reboots, clock: Clock
) -> None:
    reboots.reset(ONE)
    reboots.happened(ONE)
    clock.now += 3600
    reboots.resumed(ONE)
    assert reboots.unsettled_s(ONE) > 0
    reboots.happened(ONE)
    assert reboots.own(ONE) == 0


def test_a_machine_that_was_only_paused_is_settled(reboots: Reboots, clock: Clock) -> None:
    reboots.resumed(ONE)
    assert reboots.unsettled_s(ONE) == 0.0
    reboots.reset(ONE)
    reboots.resumed(ONE)
    clock.now += 3600
    reboots.resumed(ONE)
    assert reboots.unsettled_s(ONE) == 0.0


@pytest.mark.parametrize("look", [Reboots.own, Reboots.apart, Reboots.all, Reboots.crashes])
def test_machines_have_nothing_to_do_with_each_other(
    reboots: Reboots, look: Callable[[Reboots, str], int]
) -> None:
    reboots.crashed("other")
    reboots.happened("other")
    assert look(reboots, ONE) == 0
    reboots.forget("other")
    assert look(reboots, "other") == 0
