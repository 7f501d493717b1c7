"""``virtcim users`` as a program."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from virtcim.daemon.users import FIRST_USER, Users, open_users

_VIRTCIM = str(Path(sys.executable).with_name("virtcim"))
_TIMEOUT_S = 120.0


@pytest.fixture
def users(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "users"


def _run(*words: str, users: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_VIRTCIM, "users", *words, "--users", str(users)],
        input=given,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
        umask=0o000,
        # No terminal, also where the tests have one.
        start_new_session=True,
    )


def _done(*words: str, users: Path, given: str = "") -> str:
    done = _run(*words, users=users, given=given)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _listed(users: Path) -> dict[str, Any]:
    found = json.loads(_done("list", "--json", users=users))
    return {
        one["user"]: (one["login"], [f"{role['role']}@{role['where']}" for role in one["roles"]])
        for one in found
    }


def test_a_user_is_added_changed_and_removed(users: Path, tmp_path: Path) -> None:
    audit = tmp_path / "audit"
    # Whoever is added and nothing said may look, and no more.
    assert (
        _done("add", "ann", "--password-file", "-", users=users, given="secret\nmore\n")
        == "ann\tpassword\tread@*\n"
    )
    assert (users.stat().st_mode & 0o777, users.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    known = Users(users)
    assert known.verify("ann", "secret")
    roles = ("--role", "operate@root/virt", "--role", "read")
    _done("add", "bob", "--external", *roles, users=users)
    assert _listed(users) == {
        "ann": ("password", ["read@*"]),
        "bob": ("external", ["operate@root/virt", "read@*"]),
    }
    (tmp_path / "word").write_text("other\r\n")
    _done("passwd", "ann", "--password-file", str(tmp_path / "word"), users=users)
    assert (known.verify("ann", "secret"), known.verify("ann", "other")) == (False, True)
    told = json.loads(_done("role", "ann", "administer@toolstack", "--json", users=users))
    assert told == {
        "user": "ann",
        "login": "password",
        "roles": [{"role": "administer", "where": "toolstack"}],
    }
    assert known.verify("ann", "other")
    _done("role", "ann", "none", users=users)
    assert _listed(users)["ann"] == ("password", [])
    removed = _done("remove", "ann", "--audit", str(audit), users=users)
    assert removed == "ann is removed\n"
    assert not known.verify("ann", "other")
    [line] = [json.loads(line) for line in audit.read_text().splitlines()]
    assert line.pop("time")
    assert line.pop("user")
    assert line == {
        "daemon": "users",
        "operation": "users remove",
        "outcome": "done",
        "peer": "local",
        "object": str(users),
        "name": "ann",
    }


@pytest.mark.parametrize(
    ("words", "given", "said"),
    [
        (("add", FIRST_USER, "--external"), "", "there is a user 'virtcim' already"),
        (("add", "a b", "--external"), "", "'a b' is no name of a user"),
        (
            ("add", "ann", "--external", "--role", "operat"),
            "",
            "'operat' is no role: it is read, operate or administer",
        ),
        (
            ("add", "ann", "--external", "--role", "operate@"),
            "",
            "'operate@' must say where, as in read@* or operate@root/virt/a",
        ),
        (("add", "ann"), "", "there is no terminal to ask for the password"),
        (("add", "ann", "--password-file", "-"), "\n", "a password cannot be empty"),
        (("add", "ann", "--password-file", "-"), "a\0b\n", "printable characters"),
        (("add", "ann", "--password-file", "/nonexistent"), "", "cannot read the password"),
        (("passwd", "ann", "--password-file", "-"), "x\n", "there is no user 'ann'"),
        (("role", "ann", "read"), "", "there is no user 'ann'"),
        (("remove", "ann"), "", "there is no user 'ann'"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence_and_changes_nothing(
    users: Path, words: tuple[str, ...], given: str, said: str
) -> None:
    open_users(users, lambda _: None)
    before = users.read_bytes()
    done = _run(*words, users=users, given=given)
    assert (done.returncode, done.stdout) == (1, "")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1
    assert lines[0].startswith("virtcim users: ")
    assert said in lines[0]
    assert users.read_bytes() == before


@pytest.mark.parametrize("words", [("list",), ("role", "ann", "read"), ("remove", "ann")])
def test_a_users_file_that_is_not_there_is_said_with_where_it_may_be(
    users: Path, words: tuple[str, ...]
) -> None:
    done = _run(*words, users=users)
    assert (done.returncode, done.stdout, users.exists()) == (1, "", False)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    said = f"virtcim users: there is no users file {users}; name that of the daemon with --users, "
    assert lines == [said + "by default `users` in its state directory"]


def test_a_password_is_never_an_argument(users: Path) -> None:
    open_users(users, lambda _: None)
    for words in (("add", "ann", "secret"), ("add", "ann", "--password", "secret")):
        assert _run(*words, users=users).returncode == 2


def test_a_terminal_is_asked_twice_and_shows_nothing(users: Path) -> None:
    for second, returncode in (("secret", 0), ("other", 1)):
        name = f"ann-{second}"
        asked = ((f"New password of {name}: ", "secret"), ("Once more: ", second))
        shown, status = _on_a_terminal(users, name, asked)
        assert status == returncode, shown
        assert "secret" not in shown.replace(name, "")
    assert list(_listed(users)) == ["ann-secret"]
    assert Users(users).verify("ann-secret", "secret")


def _on_a_terminal(users: Path, name: str, asked: tuple[tuple[str, str], ...]) -> tuple[str, int]:
    """What the command shows on a terminal of its own, where each prompt is answered."""
    ours, its = pty.openpty()
    command = [_VIRTCIM, "users", "add", name, "--users", str(users)]
    with subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command], stdin=its, stdout=its, stderr=its
    ) as running:
        os.close(its)
        shown = ""
        try:
            for prompt, answer in asked:
                seen = len(shown)
                while prompt not in shown[seen:]:
                    more = _read(ours)
                    assert more, shown
                    shown += more
                os.write(ours, f"{answer}\n".encode())
            while more := _read(ours):
                shown += more
            return shown, running.wait(_TIMEOUT_S)
        finally:
            running.kill()
            os.close(ours)


def _read(terminal: int) -> str:
    """What comes next, nothing once nobody has the terminal open."""
    ready, _, _ = select.select([terminal], [], [], _TIMEOUT_S)
    assert ready, "the command shows nothing"
    try:
        return os.read(terminal, 4096).decode()
    except OSError:
        return ""
