"""The command `virtcim toolstack` as an administrator meets it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import XenAPI
from daemons import Daemon

from tests.toolstack.host import events, failure, only, write_host
from virtcim.errormap import ErrorCode, from_xapi, translate
from virtcim.toolstack.state import State

_WAIT_FOR_EVENTS = """\
import sys, xmlrpc.client
url, session, token = sys.argv[1:]
getattr(xmlrpc.client.ServerProxy(url), "event.from")(session, ["vm"], token, 600.0)
"""
PROGRAM = str(Path(sys.executable).with_name("virtcim"))


@pytest.fixture
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # The official module writes the path of a socket with underscores for slashes.
    return tmp_path_factory.mktemp("toolstack", numbered=True)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "toolstack", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture
def tcp(directory: Path) -> Iterator[Daemon]:
    uri = write_host(directory / "host.xml")
    with Daemon(
        "toolstack",
        "--libvirt",
        uri,
        "--listen",
        "http://127.0.0.1:0",
        "--state",
        str(directory / "state"),
        log=directory / "log",
    ) as daemon:
        yield daemon


def fill(state: Path, table: str) -> None:
    """Let the database answer as it does on a full disk."""
    with closing(sqlite3.connect(state / "toolstack.sqlite")) as database:
        database.execute(
            f"create trigger full_{table} before insert on {table} "
            "begin select raise(abort, 'database or disk is full'); end"
        )


def test_what_a_full_disk_does_not_let_keep_is_refused_with_the_reason(
    tcp: Daemon, directory: Path
) -> None:
    session = XenAPI.Session(tcp.url)
    session.login_with_password(
        "virtcim", (directory / "state" / "users.password").read_text().strip()
    )
    fill(directory / "state", "notes")
    (ref, *_) = session.xenapi.SR.get_all()
    details = failure(session.xenapi.SR.set_other_config, ref, {"a": "b"})
    assert translate(from_xapi(details)).code is ErrorCode.ERR_OUT_OF_DISK_SPACE
    assert session.xenapi.SR.get_other_config(ref) == {}
    session("close")()
    assert "Traceback" not in (directory / "log").read_text()


def test_a_state_on_a_full_disk_is_refused_at_the_start_in_one_sentence(directory: Path) -> None:
    options = ("--libvirt", "test:///default", "--listen", f"unix:{directory / 's'}")
    State(directory / "state").close()
    fill(directory / "state", "life")
    done = run(*options, "--state", str(directory / "state"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: cannot use the state directory {directory / 'state'}: ")
    assert done.stderr.count("\n") == 1


def test_the_users_file_is_made_and_its_password_opens_the_door(
    tcp: Daemon, directory: Path
) -> None:
    password = (directory / "state" / "users.password").read_text().strip()
    session = XenAPI.Session(tcp.url)
    session.login_with_password("virtcim", password)
    assert only(session, "VM", "runs")
    stranger = XenAPI.Session(tcp.url)
    details = failure(stranger.login_with_password, "virtcim", "guess")
    assert details[:2] == ["SESSION_AUTHENTICATION_FAILED", "virtcim"]
    assert password not in (directory / "log").read_text()
    for one in (session, stranger):
        one("close")()


def test_it_stops_cleanly_while_clients_wait(tcp: Daemon, directory: Path) -> None:
    password = (directory / "state" / "users.password").read_text().strip()
    session = XenAPI.Session(tcp.url)
    session.login_with_password("virtcim", password)
    token = events(session, ["vm"])["token"]
    waiting = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _WAIT_FOR_EVENTS,
            tcp.url,
            session.handle,
            token,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    session("close")()
    tcp.stop()
    waiting.communicate(timeout=20)
    assert "Traceback" not in (directory / "log").read_text()


def test_options_come_from_a_file_and_the_environment(directory: Path) -> None:
    uri = write_host(directory / "host.xml")
    config = directory / "config.toml"
    config.write_text(f'[toolstack]\nlibvirt = "{uri}"\nlisten = ["unix:{directory}/s"]\n')
    environment = {"VIRTCIM_TOOLSTACK_STATE": str(directory / "state")}
    with Daemon(
        "toolstack",
        "--config",
        str(config),
        log=directory / "log",
        environment=environment,
    ) as daemon:
        assert daemon.url == f"unix:{directory}/s"
        assert (directory / "s").stat().st_mode & 0o777 == 0o600
        assert (directory / "state" / "toolstack.sqlite").exists()
    assert not (directory / "s").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--listen", "ftp://x"), "ftp://x"),
        (("--listen", "http://0.0.0.0:0", "--auth", "none"), "needs authentication"),
        (("--listen", "https://127.0.0.1:0"), "certificate"),
        (("--listen", "http://127.0.0.1:0", "--state", "/proc/nowhere"), "/proc/nowhere"),
        (("--listen", "unix:/proc/nowhere/s", "--state", "{directory}"), "/proc/nowhere/s"),
    ],
)
def test_what_keeps_it_from_starting_is_said_in_one_sentence(
    directory: Path, arguments: tuple[str, ...], words: str
) -> None:
    given = [argument.format(directory=directory) for argument in arguments]
    ended = run("--libvirt", "test:///default", *given, HOME=str(directory))
    assert ended.returncode != 0
    assert ended.stdout == ""
    [sentence] = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert words in sentence
    assert "Traceback" not in ended.stderr


def test_it_starts_without_libvirt_and_says_so(directory: Path) -> None:
    missing = directory / "libvirt-sock"
    with Daemon(
        "toolstack",
        "--libvirt",
        f"test+unix:///default?socket={missing}",
        "--listen",
        "http://127.0.0.1:0",
        "--auth",
        "none",
        "--state",
        str(directory / "state"),
        log=directory / "log",
    ) as daemon:
        log = (directory / "log").read_text()
        assert f"Failed to connect socket to '{missing}'" in log
        assert "calls fail until it can be reached" in log
        session = XenAPI.Session(daemon.url)
        session.login_with_password("a", "b")
        assert failure(session.xenapi.VM.get_all)[0] == "LIBVIRT_ERROR"
        session("close")()


def test_a_client_that_goes_away_in_the_middle_disturbs_nobody(
    tcp: Daemon, directory: Path
) -> None:
    import socket
    from urllib.parse import urlsplit

    address = urlsplit(tcp.url)
    for _ in range(20):
        with socket.create_connection((address.hostname or "", address.port or 0)) as cut:
            cut.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n<?xml")
    session = XenAPI.Session(tcp.url)
    password = (directory / "state" / "users.password").read_text().strip()
    session.login_with_password("virtcim", password)
    assert len(session.xenapi.VM.get_all()) == 2
    session("close")()
    assert "Traceback" not in (directory / "log").read_text()


def test_reading_asks_nothing_of_libvirt(tcp: Daemon, directory: Path) -> None:
    session = XenAPI.Session(tcp.url)
    password = (directory / "state" / "users.password").read_text().strip()
    session.login_with_password("virtcim", password)
    api: Any = session.xenapi
    [host] = api.host.get_all()

    def counters() -> dict[str, Any]:
        counted: dict[str, Any] = json.loads(
            api.host.call_plugin(host, "virtcim-statistics", "get", {})
        )
        return counted

    before = counters()
    for _ in range(10):
        for vm in api.VM.get_all_records():
            api.VM.get_record(vm)
            api.VM.get_VBDs(vm)
    events(session, ["*"])
    after = counters()
    assert after["libvirt_calls"] == before["libvirt_calls"]
    assert after["requests"]["VM.get_all_records"] == 10
    assert after["requests"]["VM.get_record"] == 20
    api.VM.pause(only(session, "VM", "runs"))
    assert counters()["libvirt_calls"] > after["libvirt_calls"]
    assert failure(api.host.call_plugin, host, "other", "get", {}) == [
        "XENAPI_MISSING_PLUGIN",
        "other",
    ]
    session("close")()


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--image-directory", "images", "--image-directory images: must be an absolute path"),
        ("--image-source", "ftp:x", "--image-source ftp:x: has no // after its scheme"),
        ("--image-source", "http://u:p@a.example", "holds the name of a user"),
    ],
)
def test_where_images_may_be_is_refused_in_one_sentence_if_it_cannot_be_used(
    directory: Path, option: str, value: str, reason: str
) -> None:
    uri = write_host(directory / "host.xml")
    listen = ("--listen", f"unix:{directory}/socket", "--state", str(directory / "state"))
    ended = run("--libvirt", uri, *listen, option, value)
    assert ended.returncode != 0
    assert reason in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_where_images_may_be_comes_from_options_a_file_and_the_environment(
    directory: Path,
) -> None:
    uri = write_host(directory / "host.xml")
    config = directory / "virtcim.toml"
    config.write_text(
        f'[toolstack]\nlibvirt = "{uri}"\nimage-directory = ["/from/file", "/"]\n'
        'image-source = ["https://images.example/debian"]\n'
    )
    arguments = ("--config", str(config), "--listen", "http://127.0.0.1:0")
    state = ("--state", str(directory / "state"))
    with Daemon("toolstack", *arguments, *state, log=directory / "log") as daemon:
        assert daemon.url
    assert "--image-directory / lets every client name any file" in (directory / "log").read_text()
    environment = {**os.environ, "VIRTCIM_TOOLSTACK_IMAGE_DIRECTORY": "relative"}
    ended = run(*arguments, *state, **environment)
    assert "--image-directory relative: must be an absolute path" in ended.stderr
