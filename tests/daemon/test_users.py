"""The users file: made once, hashed, private, and read again when it changes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from virtcim.daemon.passwords import HashedPassword
from virtcim.daemon.roles import EVERYTHING, NOTHING
from virtcim.daemon.users import FIRST_USER, Users, UsersError, open_users
from virtcim.daemon.users_file import User, change_users, read_users, write_private

_OPEN_WITHOUT_SPACE = """
import resource, signal, sys
from pathlib import Path
from virtcim.daemon.users import UsersError, open_users

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    open_users(Path(sys.argv[1]), lambda _: None)
except UsersError as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(error)
"""


@pytest.fixture
def users_path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "users"


def _password(path: Path) -> str:
    return path.with_name("users.password").read_text().strip()


def test_the_first_start_makes_a_random_password_that_works(users_path: Path) -> None:
    said: list[str] = []
    users = open_users(users_path, said.append)
    password = _password(users_path)
    assert len(password) >= 20
    assert users.verify(FIRST_USER, password)
    assert str(users_path) in said[0]
    assert password not in said[0]
    assert password not in users_path.read_text()


def test_the_files_are_for_their_owner_only(users_path: Path) -> None:
    open_users(users_path, lambda _: None)
    for path in (users_path, users_path.with_name("users.password")):
        assert path.stat().st_mode & 0o777 == 0o600
    assert users_path.parent.stat().st_mode & 0o777 == 0o700


def test_a_second_start_changes_nothing(users_path: Path) -> None:
    open_users(users_path, lambda _: None)
    before = users_path.read_text()
    said: list[str] = []
    users = open_users(users_path, said.append)
    assert (users_path.read_text(), said) == (before, [])
    assert users.verify(FIRST_USER, _password(users_path))


def test_daemons_that_start_at_once_make_one_file(users_path: Path) -> None:
    said: list[str] = []
    starts = [threading.Thread(target=open_users, args=(users_path, said.append)) for _ in range(4)]
    for start in starts:
        start.start()
    for start in starts:
        start.join(20)
    assert len(said) == 1
    assert Users(users_path).verify(FIRST_USER, _password(users_path))


@pytest.mark.parametrize(
    ("user", "password"), [("", ""), (FIRST_USER, ""), (FIRST_USER, "wrong"), ("nobody", "x")]
)
def test_everything_else_is_refused(users_path: Path, user: str, password: str) -> None:
    users = open_users(users_path, lambda _: None)
    assert not users.verify(user, password)
    assert not users.verify(_password(users_path), FIRST_USER)


def test_a_replaced_file_counts_from_then_on(users_path: Path, tmp_path: Path) -> None:
    users = open_users(users_path, lambda _: None)
    old = _password(users_path)
    other = tmp_path / "other" / "users"
    open_users(other, lambda _: None)
    other.replace(users_path)
    assert not users.verify(FIRST_USER, old)
    assert users.verify(FIRST_USER, _password(other))


@pytest.mark.parametrize(
    "text",
    [
        "virtcim:plain\n",
        "virtcim:scrypt:16384:8:1:c2FsdA==\n",
        "\n",
        "virtcim:md5:1:1:1:c2FsdA==:a2V5\n",
        "virtcim:scrypt:16385:8:1:c2FsdA==:a2V5\n",
        "virtcim:scrypt:16777216:8:1:c2FsdA==:a2V5\n",
        "virtcim:scrypt:16384:8:0:c2FsdA==:a2V5\n",
        "virtcim:scrypt:16384:8:1:c2FsdA=:a2V5\n",
        "virtcim:external:owner@*\n",
        "virtcim:external:read@*:more\n",
    ],
)
def test_a_line_that_cannot_be_read_is_named(users_path: Path, text: str) -> None:
    open_users(users_path, lambda _: None)
    users_path.write_text(users_path.read_text() + text)
    with pytest.raises(UsersError, match="line 2"):
        Users(users_path)


def test_a_file_that_others_can_read_is_refused(users_path: Path) -> None:
    open_users(users_path, lambda _: None)
    users_path.chmod(0o644)
    with pytest.raises(UsersError, match="chmod 600"):
        Users(users_path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.chmod(0o644), "run chmod 600 on it"),
        (lambda path: path.write_text("nonsense\n"), "line 1 of the users file"),
        (lambda path: path.write_bytes(b"\xff"), "cannot read the users file"),
        (lambda path: path.unlink(), "No such file"),
    ],
)
def test_a_file_that_is_spoilt_while_running_changes_nothing_and_is_told_once(
    users_path: Path,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path], object],
    said: str,
) -> None:
    users = open_users(users_path, lambda _: None)
    password, before = _password(users_path), users_path.read_text()
    spoil(users_path)
    for _ in range(3):
        assert users.verify(FIRST_USER, password)
        assert not users.verify(FIRST_USER, "wrong")
    [told] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said in told
    assert "the users of before stay" in told
    # When it is good again it counts again, and a new fault is told again.
    users_path.unlink(missing_ok=True)
    users_path.touch(mode=0o600)
    users_path.write_text(before.replace(FIRST_USER, "other"))
    assert not users.verify(FIRST_USER, password)
    assert users.verify("other", password)
    spoil(users_path)
    assert users.verify("other", password)
    assert sum(record.levelname == "ERROR" for record in caplog.records) == 2


def test_the_same_fault_is_told_again_when_it_comes_again(
    users_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    users = open_users(users_path, lambda _: None)
    for _ in range(2):
        for mode in (0o644, 0o600):
            users_path.chmod(mode)
            users.refresh()
    assert sum(record.levelname == "ERROR" for record in caplog.records) == 2


def test_what_is_known_of_a_user_changes_with_his_line_alone(users_path: Path) -> None:
    users = open_users(users_path, lambda _: None)
    line = users_path.read_text()
    before = users.stamp(FIRST_USER)
    users_path.write_text(line + line.replace(FIRST_USER, "other"))
    assert users.stamp(FIRST_USER) == before
    assert users.stamp("nobody") is None
    users_path.write_text(line.replace(FIRST_USER, "other"))
    assert users.stamp(FIRST_USER) is None
    assert users.stamp("other") is not None


def test_a_password_with_nul_is_refused(users_path: Path) -> None:
    users = open_users(users_path, lambda _: None)
    users_path.write_text(
        str(User(name=FIRST_USER, password=HashedPassword.of("a\0b"), rights=EVERYTHING))
    )
    assert not users.verify(FIRST_USER, "a\0b")


def test_a_place_where_no_file_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsersError, match="cannot make the users file"):
        open_users(tmp_path / "file" / "users", lambda _: None)


def test_a_full_disk_leaves_nothing_behind(users_path: Path) -> None:
    # A limit of the process refuses the bytes as a full disk does, when the file exists already.
    made = subprocess.run(
        [sys.executable, "-c", _OPEN_WITHOUT_SPACE, str(users_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert made.startswith(f"cannot make the users file {users_path}: ")
    assert list(users_path.parent.iterdir()) == []
    users = open_users(users_path, lambda _: None)
    assert users.verify(FIRST_USER, _password(users_path))


def test_what_is_written_is_on_the_disk_before_it_takes_the_place_of_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "users"
    write_private(path, "old\n")
    at_that_moment: list[tuple[str, str]] = []

    def noted(descriptor: int) -> None:
        written = Path(f"/proc/self/fd/{descriptor}").read_text()
        at_that_moment.append((path.read_text(), written))

    monkeypatch.setattr(os, "fsync", noted)
    write_private(path, "new\n")
    assert at_that_moment == [("old\n", "new\n")]
    assert path.read_text() == "new\n"


def test_a_user_of_before_there_were_roles_may_do_everything(users_path: Path) -> None:
    hashed = HashedPassword.of("secret")
    users_path.parent.mkdir()
    users_path.touch(0o600)
    users_path.write_text(
        f"old:{hashed}\nann:{hashed}:read@*\nnobody:{hashed}:\neve:external:operate@toolstack\n"
    )
    users = Users(users_path)
    told = {name: str(users.rights(name)) for name in ("old", "ann", "nobody", "eve")}
    assert told == {
        "old": "administer@*",
        "ann": "read@*",
        "nobody": "",
        "eve": "operate@toolstack",
    }
    assert users.rights("unknown") is NOTHING
    assert users.verify("ann", "secret")
    # Somebody else says who he is, and that is not whoever knows no password.
    assert not users.verify("eve", "secret")
    assert not users.verify("eve", "")


def test_another_role_counts_at_once_and_keeps_the_login(users_path: Path) -> None:
    users = open_users(users_path, lambda _: None)
    before = users.stamp(FIRST_USER)
    users_path.write_text(users_path.read_text().replace("administer@*", "read@*"))
    assert str(users.rights(FIRST_USER)) == "read@*"
    assert users.stamp(FIRST_USER) == before


def test_a_changed_file_stays_private_and_its_owners_and_a_link_stays_one(
    tmp_path: Path,
) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch(0o600)
    link.symlink_to(file)
    os.chown(file, 12345, 12346)
    umask = os.umask(0o777)
    try:
        change_users(link, lambda users: users.update(ann=_user("ann")))
    finally:
        os.umask(umask)
    found = file.stat()
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (0o600, 12345, 12346)
    assert link.is_symlink()
    assert list(read_users(file)[0]) == ["ann"]


@pytest.mark.parametrize(
    "name", ["", "a b", "a:b", "a\nb", "a\x1bb", "\u202eann", "a" * 129, "a\u2028"]
)
def test_a_name_that_would_be_another_line_is_refused(users_path: Path, name: str) -> None:
    change_users(users_path, lambda users: users.update(ann=_user("ann")))
    before = users_path.read_bytes()
    with pytest.raises(UsersError, match="is no name of a user"):
        change_users(users_path, lambda users: users.update({name: _user(name)}))
    assert users_path.read_bytes() == before


def _user(name: str) -> User:
    return User(name=name, password=None, rights=EVERYTHING)
