"""Listeners, and daemons on them."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.wire.serving import DEADLINE_S
from virtcim.daemon.listener import bind
from virtcim.daemon.run import ListenError, parse_listen, require_authentication
from virtcim.wire import Transport, parse_endpoint_url

DAEMON = """
import sys
from virtcim.wire import XmlRpcApplication
from virtcim.daemon.run import StartError, parse_listen, run_daemon

async def dispatch(method, params, client):
    if method == "wait":
        print("waiting", file=sys.stderr, flush=True)
        await client.disconnected.wait()
    return method

async def make():
    if "refuse" in sys.argv:
        raise StartError("there is no hypervisor")
    return XmlRpcApplication(dispatch)

listens = [
    parse_listen(text, cert_file="cert.pem", key_file="key.pem")
    for text in sys.argv[1:]
    if text != "refuse"
]
sys.exit(run_daemon(make, listens))
"""


@contextmanager
def _daemon(*arguments: str, cwd: Path, program: str = DAEMON) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
    )
    killer = threading.Timer(3 * DEADLINE_S, process.kill)
    killer.start()
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()
        killer.cancel()


def _ready(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    word, *urls = process.stdout.readline().split()
    assert word == "ready"
    return urls


@pytest.mark.parametrize(
    ("text", "shown", "local"),
    [
        ("unix:/run/x", "unix:/run/x", True),
        ("unix:///run/x", "unix:/run/x", True),
        ("http://127.0.0.1:80", "http://127.0.0.1:80", True),
        ("http://localhost:0", "http://localhost:0", True),
        ("http://[::1]:1", "http://[::1]:1", True),
        ("http://0.0.0.0:1", "http://0.0.0.0:1", False),
        ("http://[::]:1", "http://[::]:1", False),
        ("https://example.org:1/", "https://example.org:1", False),
    ],
)
def test_a_listener_is_understood(text: str, shown: str, local: bool) -> None:
    listen = parse_listen(text, cert_file="c", key_file="k")
    assert (str(listen), listen.is_local) == (shown, local)
    if local:
        require_authentication([listen])
    else:
        with pytest.raises(ListenError, match="needs authentication"):
            require_authentication([listen])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no listener"),
        ("8080", "no listener"),
        ("ftp://h:1", "no listener"),
        ("http://h", "host and a port"),
        ("http://:80", "host and a port"),
        ("http://h:1/path", "no listener"),
        ("http://u:p@h:1", "no listener"),
        ("http://h:70000", "no listener"),
        ("unix:", "names no path"),
        ("https://h:1", "certificate and a key"),
    ],
)
def test_what_is_no_listener_is_refused(text: str, said: str) -> None:
    with pytest.raises(ListenError, match=said):
        parse_listen(text)


def test_a_unix_socket_is_for_its_owner_only_and_goes_with_the_listener(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound = bind(parse_listen(f"unix:{path}"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    bound.close()
    assert not path.exists()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    bound = bind(parse_listen(f"unix:{path}"))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    bound.close()


def test_a_socket_that_is_served_is_left_alone(tmp_path: Path) -> None:
    listen = parse_listen(f"unix:{tmp_path}/s")
    first = bind(listen)
    with pytest.raises(ListenError, match="another process serves it"):
        bind(listen)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(listen.path)
    first.close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    with pytest.raises(ListenError, match="is no socket"):
        bind(parse_listen(f"unix:{tmp_path}/s"))
    assert (tmp_path / "s").read_text() == "precious"


def test_a_socket_that_another_has_made_meanwhile_is_left_alone(tmp_path: Path) -> None:
    listen = parse_listen(f"unix:{tmp_path}/s")
    first = bind(listen)
    os.rename(listen.path, tmp_path / "moved")  # noqa: PTH104 - the same shape as the next line
    second = bind(listen)
    first.close()
    assert Path(listen.path).is_socket()
    second.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("unix:/does/not/exist", "No such file"),
        ("unix:/tmp/" + "x" * 200, "too long"),
        ("http://192.0.2.1:0", "Cannot assign"),
        ("http://does-not-exist.invalid:0", "cannot listen on"),
    ],
)
def test_what_cannot_be_bound_is_said_in_one_sentence(text: str, said: str) -> None:
    with pytest.raises(ListenError, match=said) as raised:
        bind(parse_listen(text))
    assert "\n" not in str(raised.value)


def test_a_taken_port_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match="Address already in use"):
            bind(parse_listen(f"http://127.0.0.1:{port}"))


def test_a_daemon_serves_all_its_listeners_and_stops_cleanly(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with _daemon("http://127.0.0.1:0", f"unix:{path}", cwd=tmp_path) as process:
        http, unix = _ready(process)
        assert unix == f"unix:{path}"
        for url in (f"xapi+{http}", f"xapi+unix://{path}"):
            transport = Transport(parse_endpoint_url(url))
            assert transport.call("a.b", []) == "a.b"
            transport.close()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out, err) == (0, "", "")
    assert not path.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_waiting_call_does_not_hold_up_the_end(tmp_path: Path, number: signal.Signals) -> None:
    with _daemon("http://127.0.0.1:0", cwd=tmp_path) as process:
        (url,) = _ready(process)
        transport = Transport(parse_endpoint_url(f"xapi+{url}"))
        answers: list[object] = []
        thread = threading.Thread(target=lambda: answers.append(transport.call("wait", [])))
        thread.start()
        assert process.stderr is not None
        assert process.stderr.readline() == "waiting\n"
        process.send_signal(number)
        assert process.wait(DEADLINE_S) == 0
        thread.join(DEADLINE_S)
        transport.close()
    assert answers == ["wait"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["http://127.0.0.1:0", "unix:/does/not/exist/s"], "No such file or directory"),
        (["http://127.0.0.1:0", "refuse"], "there is no hypervisor"),
        (["https://127.0.0.1:0"], "cannot use the certificate cert.pem"),
    ],
)
def test_a_daemon_that_cannot_start_says_why_in_one_sentence(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    with _daemon(*arguments, cwd=tmp_path) as process:
        out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert out == ""
    assert err.startswith("error: ")
    assert said in err
    assert err.count("\n") == 1


DRAINING = """
import asyncio, sys
from virtcim.wire import XmlRpcApplication
from virtcim.daemon.run import parse_listen, run_daemon

ended = asyncio.Event()

async def dispatch(method, params, client):
    if method == "end":
        ended.set()
    if method == "wait":
        print("waiting", file=sys.stderr, flush=True)
        await client.disconnected.wait()
    return method

async def drain():
    print("draining", file=sys.stderr, flush=True)
    await ended.wait()

sys.exit(run_daemon(lambda: XmlRpcApplication(dispatch), [parse_listen(sys.argv[1])], drain=drain))
"""


@pytest.mark.parametrize("end", ["the operations end", "a second signal"])
def test_requests_are_answered_until_the_operations_have_ended_or_nobody_waits_for_them(
    tmp_path: Path, end: str
) -> None:
    with _daemon("http://127.0.0.1:0", cwd=tmp_path, program=DRAINING) as process:
        [url] = _ready(process)
        assert process.stderr is not None
        transport = Transport(parse_endpoint_url(f"xapi+{url}"))
        waiting = threading.Thread(target=transport.call, args=("wait", ()))
        waiting.start()
        assert process.stderr.readline() == "waiting\n"
        process.send_signal(signal.SIGTERM)
        assert process.stderr.readline() == "draining\n"
        # Who waits goes on waiting, others are answered.
        assert transport.call("read", ()) == "read"
        assert waiting.is_alive()
        if end == "a second signal":
            process.send_signal(signal.SIGTERM)
        else:
            transport.call("end", ())
        assert process.wait(DEADLINE_S) == 0
        waiting.join(DEADLINE_S)
        transport.close()
