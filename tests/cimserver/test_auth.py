"""Basic authentication: who may ask, and what a refusal tells."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest
import pywbem

from tests.cimserver.interposed import Interposed
from tests.cimserver.serving import DEADLINE_S, Served, intrinsic, served
from virtcim.cimserver import CimServer, Limits
from virtcim.mof import Schema

_PASSWORD = "corréct:horse"
_NAMES = intrinsic("EnumerateClassNames")


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class _Verifier:
    """Counts how often a password is checked."""

    def __init__(self) -> None:
        self.checked: list[str] = []

    def __call__(self, user: str, password: str) -> bool:
        self.checked.append(user)
        return (user, password) == ("anna", _PASSWORD)


@pytest.fixture
def guarded(providers: Interposed, schema: Schema) -> Iterator[Served]:
    application = CimServer(providers, schema, authenticate=_Verifier())
    with served(application, user="anna", password=_PASSWORD) as running:
        yield running


def test_a_right_password_is_let_in(guarded: Served) -> None:
    assert guarded.post(_NAMES, Authorization=_basic("anna", _PASSWORD)).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        _basic("anna", "wrong"),
        _basic("bert", _PASSWORD),
        _basic("", ""),
        "Bearer abc",
        "Digest username=anna",
        "Basic " + "A" * 20_000,
    ],
)
def test_everybody_else_is_asked_for_a_password(guarded: Served, header: str) -> None:
    response = guarded.post(_NAMES, Authorization=header)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="virtcim"'
    assert "CIMOperation" not in response.headers


def test_real_clients_say_that_the_password_is_wrong(guarded: Served) -> None:
    with pytest.raises(pywbem.AuthError):
        pywbem.WBEMConnection(guarded.url, ("anna", "wrong"), "root/virt").EnumerateClassNames()
    wrong = Served(port=guarded.port, user="anna", password="wrong")
    answer = wrong.wbemcli("ecn", "CIM_System")
    assert (answer.returncode, "Invalid username/password" in answer.stderr) == (16, True)


@pytest.mark.parametrize(
    ("user", "password"),
    [
        *(("anna", "wrong"), ("anna", ""), ("anna", _PASSWORD[:-1]), ("anna", f"{_PASSWORD}x")),
        *(("anna", _PASSWORD.upper()), ("Anna", _PASSWORD), ("bert", _PASSWORD), ("", _PASSWORD)),
    ],
)
def test_a_wrong_password_is_refused_after_a_right_one_was_remembered(
    guarded: Served, user: str, password: str
) -> None:
    right = _basic("anna", _PASSWORD)
    for _ in range(2):
        assert guarded.post(_NAMES, Authorization=right).status_code == 200
        assert guarded.post(_NAMES, Authorization=_basic(user, password)).status_code == 401


def test_a_refusal_is_logged_without_the_password(
    guarded: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        guarded.post(_NAMES, Authorization=_basic("bert\n", "s3cret-pass"))
        guarded.post(_NAMES, Authorization=_basic("anna", _PASSWORD))
    assert "refused user 'bert\\n' from 127.0.0.1" in caplog.text
    for secret in ("s3cret-pass", _PASSWORD, _basic("anna", _PASSWORD)[6:]):
        assert secret not in caplog.text


def test_a_verifier_that_fails_lets_nobody_in(
    providers: Interposed, schema: Schema, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_user: str, _password: str) -> bool:
        raise OSError("the users file is gone")

    with served(CimServer(providers, schema, authenticate=broken)) as server:
        response = server.post(_NAMES, Authorization=_basic("anna", "x"))
    assert response.status_code == 500
    assert response.text.startswith("ERR_UNKNOWN: ")
    assert "users file" not in response.text
    assert "the users file is gone" in caplog.text


def test_passwords_that_are_being_checked_keep_nobody_else_from_being_served(
    providers: Interposed, schema: Schema
) -> None:
    checking, let_go = threading.Event(), threading.Event()

    def verify(user: str, password: str) -> bool:
        if user != "anna":
            checking.set()
            let_go.wait(DEADLINE_S)
        return (user, password) == ("anna", _PASSWORD)

    # A request that waits until its password is checked would take the only place.
    application = CimServer(
        providers, schema, authenticate=verify, limits=Limits(concurrent_requests=1)
    )
    with served(application) as server, ThreadPoolExecutor(20) as clients:
        right = _basic("anna", _PASSWORD)
        assert server.post(_NAMES, Authorization=right).status_code == 200
        guesses = [
            clients.submit(server.post, _NAMES, Authorization=_basic(f"user{number}", "guess"))
            for number in range(20)
        ]
        assert checking.wait(DEADLINE_S)
        for _ in range(3):
            assert server.post(_NAMES, Authorization=right).status_code == 200
        # What does not even wait is told so, the others when they had their turn.
        sent_away = next(as_completed(guesses)).result()
        assert (sent_away.status_code, sent_away.headers["Retry-After"]) == (429, "5")
        let_go.set()
