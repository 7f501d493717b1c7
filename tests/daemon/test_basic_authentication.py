"""What is remembered of right passwords, and for how long."""

from __future__ import annotations

import asyncio
import base64

from virtcim.daemon.basic_authentication import BasicAuthenticator
from virtcim.daemon.logins import Logins

_PASSWORD = "corréct:horse"


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _principal(authenticator: BasicAuthenticator, header: str) -> str | None:
    return asyncio.run(authenticator.principal(header, "192.0.2.1"))


def _everybody(_user: str, _password: str) -> bool:
    return True


class _Verifier:
    """Counts how often a password is checked."""

    def __init__(self) -> None:
        self.checked: list[str] = []

    def __call__(self, user: str, password: str) -> bool:
        self.checked.append(user)
        return (user, password) == ("anna", _PASSWORD)


def test_a_right_password_is_remembered_for_a_minute() -> None:
    now, verify = [0.0], _Verifier()
    authenticator = BasicAuthenticator(Logins(verify), clock=lambda: now[0])
    header = _basic("anna", _PASSWORD)
    assert authenticator.remembered(header) is None
    assert _principal(authenticator, header) == "anna"
    now[0] = 59.0
    assert authenticator.remembered(header) == "anna"
    now[0] = 61.0
    assert authenticator.remembered(header) is None
    assert verify.checked == ["anna"]


def test_a_wrong_password_is_never_remembered() -> None:
    verify = _Verifier()
    authenticator = BasicAuthenticator(Logins(verify))
    for _ in range(2):
        assert _principal(authenticator, _basic("anna", "wrong")) is None
        assert authenticator.remembered(_basic("anna", "wrong")) is None
    assert len(verify.checked) == 2


def test_what_is_remembered_of_a_right_password_is_not_the_user() -> None:
    verify = _Verifier()
    authenticator = BasicAuthenticator(Logins(verify))
    assert _principal(authenticator, _basic("anna", _PASSWORD)) == "anna"
    assert authenticator.remembered(_basic("anna", "wrong")) is None
    assert _principal(authenticator, _basic("anna", "wrong")) is None
    assert verify.checked == ["anna", "anna"]


def test_user_and_password_cannot_be_split_another_way() -> None:
    authenticator = BasicAuthenticator(Logins(_everybody))
    _principal(authenticator, _basic("a", "b\0c"))
    assert authenticator.remembered(_basic("a\0b", "c")) is None


def test_what_is_remembered_is_bounded() -> None:
    now = [0.0]
    authenticator = BasicAuthenticator(Logins(_everybody), clock=lambda: now[0])
    headers = [_basic(f"user{number}", "x") for number in range(1025)]
    for header in headers:
        _principal(authenticator, header)
    assert authenticator.remembered(headers[0]) == "user0"
    assert authenticator.remembered(headers[-1]) is None
    now[0] = 61.0
    _principal(authenticator, headers[-1])
    assert authenticator.remembered(headers[-1]) == "user1024"


def test_a_right_password_counts_only_as_long_as_its_user_is_the_same() -> None:
    stamps = {"anna": 1, "bert": 1}
    authenticator = BasicAuthenticator(Logins(_everybody), stamp=stamps.__getitem__)
    anna, bert = _basic("anna", "x"), _basic("bert", "x")
    for header in (anna, bert):
        _principal(authenticator, header)
    stamps["anna"] = 2
    assert authenticator.remembered(anna) is None
    assert authenticator.remembered(bert) == "bert"


def test_a_user_who_changes_while_his_password_is_checked_is_not_remembered() -> None:
    stamps = [1]

    def verify(_user: str, _password: str) -> bool:
        stamps[0] += 1
        return True

    authenticator = BasicAuthenticator(Logins(verify), stamp=lambda _: stamps[0])
    _principal(authenticator, _basic("anna", "x"))
    assert authenticator.remembered(_basic("anna", "x")) is None
