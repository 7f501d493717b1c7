"""Passwords are checked for everybody, and slowly for whoever guesses."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading

import pytest

from virtcim.daemon.logins import Logins, TooManyLogins

_PEER = "192.0.2.1"


def _verify(user: str, password: str) -> bool:
    return password == f"{user}-password"


class _Time:
    """Passes only while it is waited for."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.paused: list[float] = []

    async def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.now_s += seconds

    def clock(self) -> float:
        return self.now_s


def _tries(time: _Time, *tries: tuple[str, str, str]) -> list[bool]:
    """The outcome of tries (user, password, peer) one after the other."""

    async def run() -> list[bool]:
        logins = Logins(_verify, clock=time.clock, pause=time.pause)
        found = [await logins.is_right(*one) for one in tries]
        logins.close()
        return found

    return asyncio.run(run())


def test_a_right_password_is_right_and_a_wrong_one_wrong() -> None:
    tries = [("ann", "ann-password", _PEER), ("ann", "x", _PEER), ("bob", "ann-password", _PEER)]
    time = _Time()
    assert _tries(time, *tries) == [True, False, False]
    assert time.paused == []


def test_each_further_failure_waits_longer_up_to_a_bound() -> None:
    time = _Time()
    _tries(time, *[("ann", "wrong", _PEER)] * 12)
    assert time.paused == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0]


def test_the_right_password_ends_the_waiting() -> None:
    time = _Time()
    wrong, right = ("ann", "wrong", _PEER), ("ann", "ann-password", _PEER)
    assert _tries(time, *[wrong] * 4, right, wrong, right)[-3:] == [True, False, True]
    assert time.paused == [0.25, 0.5]


def test_who_was_right_a_moment_ago_waits_for_no_guesser_at_his_address() -> None:
    time = _Time()
    good, wrong = ("bob", "bob-password", _PEER), ("bob", "wrong", _PEER)
    others = [(f"user{number}", "wrong", _PEER) for number in range(25)]
    assert _tries(time, good, *others, wrong)[-1] is False
    waited = len(time.paused)
    assert waited > 0
    time = _Time()
    assert _tries(time, good, *others, wrong, *[good] * 5)[-5:] == [True] * 5
    assert len(time.paused) == waited


def test_what_was_right_is_checked_all_the_same_and_a_guess_again_after_that() -> None:
    time, passwords = _Time(), {"bob": "old"}

    async def run() -> list[bool]:
        logins = Logins(lambda user, password: passwords[user] == password, clock=time.clock)
        found = [await logins.is_right("bob", "old", _PEER)]
        passwords["bob"] = "new"
        found += [await logins.is_right("bob", "old", _PEER) for _ in range(3)]
        logins.close()
        assert logins.failed == 3
        return found

    assert asyncio.run(run()) == [True, False, False, False]


def test_many_requests_with_a_password_that_was_right_take_two_checks() -> None:
    """Those that came while it was being checked need one more, as passwords change."""
    checked: list[str] = []

    def verify(user: str, password: str) -> bool:
        checked.append(user)
        return _verify(user, password)

    async def run() -> list[bool]:
        logins = Logins(verify)
        await logins.is_right("bob", "bob-password", _PEER)
        checked.clear()
        first = asyncio.ensure_future(logins.is_right("bob", "bob-password", _PEER))
        await asyncio.sleep(0)  # it is checked now
        found = await asyncio.gather(
            first, *(logins.is_right("bob", "bob-password", _PEER) for _ in range(40))
        )
        logins.close()
        return found

    assert asyncio.run(run()) == [True] * 41
    assert len(checked) == 2


def test_many_requests_with_a_password_that_is_right_no_more_are_guesses() -> None:
    passwords, checked, time = {"bob": "old"}, 0, _Time()

    def verify(user: str, password: str) -> bool:
        nonlocal checked
        checked += 1
        return passwords[user] == password

    async def run() -> list[object]:
        logins = Logins(verify, clock=time.clock, pause=time.pause)
        await logins.is_right("bob", "old", _PEER)
        passwords["bob"] = "new"
        found = await asyncio.gather(
            *(logins.is_right("bob", "old", _PEER) for _ in range(40)), return_exceptions=True
        )
        logins.close()
        return list(found)

    found = asyncio.run(run())
    refused = found.count(False)
    assert refused == checked - 1
    assert refused + sum(isinstance(one, TooManyLogins) for one in found) == 40
    # All but the first three wait longer and longer, as those of any guesser.
    assert len(time.paused) == refused - 3


def test_a_check_that_was_given_up_lets_nobody_in() -> None:
    passwords, begun = {"bob": "old"}, threading.Semaphore(0)
    goes_on = {2: threading.Event(), 3: threading.Event()}
    numbers = itertools.count(1)

    def verify(user: str, password: str) -> bool:
        right = passwords[user] == password
        if (gate := goes_on.get(next(numbers))) is not None:
            begun.release()
            gate.wait()
        return right

    async def until_one_more_has_begun() -> None:
        await asyncio.get_running_loop().run_in_executor(None, begun.acquire)

    async def run() -> list[bool]:
        logins = Logins(verify)
        await logins.is_right("bob", "old", _PEER)
        first = asyncio.ensure_future(logins.is_right("bob", "old", _PEER))
        await until_one_more_has_begun()
        given_up, last = (
            asyncio.ensure_future(logins.is_right("bob", "old", _PEER)) for _ in range(2)
        )
        await asyncio.sleep(0)  # both wait
        goes_on[2].set()
        await until_one_more_has_begun()
        passwords["bob"] = "new"
        given_up.cancel()
        goes_on[3].set()
        found = [await first, await last]
        logins.close()
        return found

    assert asyncio.run(run()) == [True, False]


def test_requests_that_wait_with_the_same_right_password_pause_once() -> None:
    time = _Time()

    async def run() -> list[bool]:
        logins = Logins(_verify, clock=time.clock, pause=time.pause)
        for number in range(25):
            await logins.is_right(f"user{number}", "wrong", _PEER)
        time.paused.clear()
        found = await asyncio.gather(
            *(logins.is_right("bob", "bob-password", _PEER) for _ in range(12))
        )
        logins.close()
        return found

    assert asyncio.run(run()) == [True] * 12
    assert time.paused == [8.0]


def test_a_guesser_slows_nobody_else() -> None:
    time = _Time()
    guesses = [("ann", "wrong", _PEER)] * 6
    _tries(time, *guesses, ("bob", "bob-password", _PEER), ("ann", "ann-password", "192.0.2.2"))
    assert time.paused == [0.25, 0.5, 1.0]


def test_whoever_guesses_many_users_is_slowed_down_too() -> None:
    time = _Time()
    _tries(time, *[(f"user{number}", "wrong", _PEER) for number in range(23)])
    assert time.paused == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("other", "paused"), [("2001:db8::2", [0.25]), ("2001:db8:0:1::1", [])], ids=["same", "other"]
)
def test_all_addresses_of_one_network_of_ipv6_are_one(other: str, paused: list[float]) -> None:
    time = _Time()
    _tries(time, *[("ann", "wrong", "2001:db8::1")] * 3, ("ann", "wrong", other))
    assert time.paused == paused


def test_what_was_wrong_long_ago_is_forgotten() -> None:
    time = _Time()

    async def run() -> None:
        logins = Logins(_verify, clock=time.clock, pause=time.pause)
        for _ in range(5):
            await logins.is_right("ann", "wrong", _PEER)
        time.now_s += 61
        await logins.is_right("ann", "wrong", _PEER)
        logins.close()

    asyncio.run(run())
    assert time.paused == [0.25, 0.5]


def test_beyond_some_that_wait_further_ones_of_an_address_are_sent_away() -> None:
    let_go = threading.Event()

    def slowly(user: str, password: str) -> bool:
        let_go.wait()
        return _verify(user, password)

    async def run() -> list[object]:
        logins = Logins(slowly)
        many = [logins.is_right(f"user{one}", f"user{one}-password", _PEER) for one in range(20)]
        other = asyncio.ensure_future(logins.is_right("ann", "ann-password", "192.0.2.2"))
        waiting = [asyncio.ensure_future(one) for one in many]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
        let_go.set()
        found = await asyncio.gather(*waiting, other, return_exceptions=True)
        assert logins.sent_away == 4
        logins.close()
        return list(found)

    *many, other = asyncio.run(run())
    assert other is True
    assert many[:16] == [True] * 16
    assert all(isinstance(one, TooManyLogins) for one in many[16:])


def test_nobody_has_more_than_one_check_at_a_time() -> None:
    running = [0]
    most = [0]

    def counting(_user: str, _password: str) -> bool:
        running[0] += 1
        most[0] = max(most[0], running[0])
        running[0] -= 1
        return True

    async def run() -> None:
        logins = Logins(counting)
        await asyncio.gather(*(logins.is_right("ann", "x", _PEER) for _ in range(10)))
        logins.close()

    asyncio.run(run())
    assert most == [1]


def test_a_check_that_fails_is_told_and_holds_nothing() -> None:
    def broken(_user: str, _password: str) -> bool:
        raise OSError("no file")

    async def run() -> None:
        logins = Logins(broken)
        for _ in range(20):
            with pytest.raises(OSError, match="no file"):
                await logins.is_right("ann", "x", _PEER)
        assert (logins.failed, logins.sent_away) == (0, 0)
        logins.close()

    asyncio.run(run())


def test_a_refusal_is_logged_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        _tries(_Time(), ("bert\n" + "x" * 100, "s3cret", _PEER))
    assert "refused user 'bert\\n" in caplog.text
    assert _PEER in caplog.text
    assert "s3cret" not in caplog.text
    assert len(caplog.records[0].getMessage()) < 150


def test_what_is_remembered_is_bounded() -> None:
    time = _Time()

    async def run() -> Logins:
        logins = Logins(lambda _user, _password: True, clock=time.clock, pause=time.pause)
        for number in range(5000):
            await logins.is_right("ann", "x", f"192.0.{number // 250}.{number % 250}")
        logins.close()
        return logins

    assert len(asyncio.run(run())._records) <= 4096
