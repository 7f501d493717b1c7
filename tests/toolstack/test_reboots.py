"""Which restarts are the guest's own doing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from virtcim.toolstack.native.reboots import Reboots

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
    reboots.happened(ONE)
    assert reboots.own(ONE) == 1
    clock.now += 0.05
    reboots.happened(ONE)
    assert (reboots.own(ONE), reboots.all(ONE), reboots.unsettled_s(ONE)) == (1, 2, 0.0)
    reboots.happened(ONE)
    assert reboots.own(ONE) == 2


@pytest.mark.parametrize("cause", ["reset", "crashed"])
def test_what_a_reset_causes_is_not_the_guests_doing(
    reboots: Reboots, clock: Clock, cause: str
) -> None:
    getattr(reboots, cause)(ONE)
    for _ in range(2):
        assert reboots.unsettled_s(ONE) > 0
        clock.now += 0.05
        reboots.happened(ONE)
    assert (reboots.own(ONE), reboots.unsettled_s(ONE)) == (0, 0.0)


def test_resets_that_follow_each_other_explain_all_that_may_come_of_them(
    reboots: Reboots, clock: Clock
) -> None:
    for _ in range(3):
        reboots.reset(ONE)
    for _ in range(5):
        clock.now += 0.01
        reboots.happened(ONE)
    assert reboots.own(ONE) == 0
    assert reboots.unsettled_s(ONE) > 0


def test_firmware_that_resets_nothing_is_not_waited_for_for_ever(
    reboots: Reboots, clock: Clock
) -> None:
    reboots.reset(ONE)
    reboots.happened(ONE)
    clock.now += reboots.unsettled_s(ONE)
    assert reboots.unsettled_s(ONE) == 0.0
    reboots.happened(ONE)
    assert reboots.own(ONE) == 1


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


@pytest.mark.parametrize("look", [Reboots.own, Reboots.all, Reboots.crashes])
def test_machines_have_nothing_to_do_with_each_other(
    reboots: Reboots, look: Callable[[Reboots, str], int]
) -> None:
    reboots.crashed("other")
    reboots.happened("other")
    assert look(reboots, ONE) == 0
    reboots.forget("other")
    assert look(reboots, "other") == 0
