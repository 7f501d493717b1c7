"""Connections that keep a daemon waiting are ended, and others get their places."""

from __future__ import annotations

import resource
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.daemon.limited_daemon import is_closed, limited_daemon, status_of
from virtcim.daemon.descriptors import raise_limit

_POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
# Nothing ends for this reason while a test runs.
_NEVER_S = 3600.0


def test_silent_connections_give_way_to_whoever_waits() -> None:
    with (
        ExitStack() as stack,
        limited_daemon(connections=8, silence_s=_NEVER_S, silence_when_full_s=0.25) as daemon,
    ):
        silent = [stack.enter_context(daemon.connect()) for _ in range(40)]
        assert daemon.is_answered("127.0.0.2")
        assert is_closed(silent[0])
        assert "Traceback" not in daemon.stop()


def test_whoever_has_been_answered_and_asks_no_more_gives_way_too() -> None:
    with (
        ExitStack() as stack,
        limited_daemon(connections=8, silence_s=_NEVER_S, silence_when_full_s=0.25) as daemon,
    ):
        for _ in range(8):
            assert status_of(stack.enter_context(daemon.connect())) == 200
        assert daemon.is_answered("127.0.0.2")


def test_silent_connections_are_closed_in_the_end_also_where_nobody_waits() -> None:
    with limited_daemon(silence_s=0.25) as daemon:
        with daemon.connect() as never_spoke, daemon.connect() as answered:
            assert status_of(answered) == 200
            assert is_closed(never_spoke)
            assert is_closed(answered)
        assert daemon.is_answered()


def test_one_address_does_not_take_the_places_of_others() -> None:
    with (
        ExitStack() as stack,
        limited_daemon(
            connections_per_address=2, silence_s=_NEVER_S, silence_when_full_s=_NEVER_S
        ) as daemon,
    ):
        first, second = (stack.enter_context(daemon.connect()) for _ in range(2))
        waiting = [stack.enter_context(daemon.connect()) for _ in range(16)]
        with daemon.connect() as refused:
            assert status_of(refused, b"") == 503
        assert daemon.is_answered("127.0.0.2")
        # Those that wait are served in their order as soon as a place is free.
        assert status_of(second) == 200
        first.close()
        assert status_of(waiting[0]) == 200
        waiting[0].close()
        assert status_of(waiting[1]) == 200


@pytest.mark.parametrize("head", [b"P", _POST[:-1], _POST + b"X: " + 1000 * b"x"])
def test_a_head_that_does_not_arrive_is_refused(head: bytes) -> None:
    with limited_daemon(head_timeout_s=0.25, silence_s=_NEVER_S) as daemon:
        with daemon.connect() as first, daemon.connect() as later:
            assert status_of(later) == 200
            assert status_of(first, head) == 408
            assert is_closed(first)
            # The second head on a connection is no other.
            assert status_of(later, head) == 408
        assert daemon.is_answered()
        assert daemon.stop() == ""


def test_a_handshake_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=x", "-keyout", "key.pem", "-out", "cert.pem"),
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    with (
        ExitStack() as stack,
        limited_daemon(
            scheme="https",
            directory=tmp_path,
            head_timeout_s=0.25,
            connections=8,
            silence_s=_NEVER_S,
            silence_when_full_s=_NEVER_S,
        ) as daemon,
    ):
        # More than there are places: those of failed handshakes are given back.
        for _ in range(12):
            assert is_closed(stack.enter_context(daemon.connect()))
        assert daemon.stop() == ""


def test_the_rest_of_a_request_that_was_answered_is_not_read_for_ever() -> None:
    with limited_daemon(body_timeout_s=1.0, silence_s=_NEVER_S) as daemon, daemon.connect() as sock:
        request = b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx"
        assert status_of(sock, request) == 401
        assert is_closed(sock)


def test_a_reply_that_nobody_takes_is_given_up() -> None:
    with limited_daemon(stalled_reply_s=0.25, silence_s=_NEVER_S) as daemon:
        with daemon.connect(receive_bytes=4096) as sock:
            sock.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            assert is_closed(sock)
        assert daemon.is_answered()
        assert daemon.stop() == ""


def test_a_reply_that_is_taken_slowly_arrives() -> None:
    with limited_daemon(stalled_reply_s=1.0, silence_s=_NEVER_S) as daemon:
        with daemon.connect(receive_bytes=4096) as sock:
            sock.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            size = 0
            while piece := sock.recv(100_000):
                size += len(piece)
        assert size > 50_000_000


@pytest.mark.parametrize(
    ("soft", "hard", "taken"),
    [
        (1024, 4096, 4096),
        (1024, 1_000_000, 65_536),
        (1024, resource.RLIM_INFINITY, 65_536),
        (4096, 4096, None),
        (100_000, 200_000, None),
    ],
)
def test_as_many_descriptors_are_taken_as_the_system_gives(
    soft: int, hard: int, taken: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    assert raise_limit() == (taken or min(soft, 65_536))
    assert asked == ([] if taken is None else [(taken, hard)])


def test_there_are_never_more_connections_than_descriptors_for_them() -> None:
    with (
        ExitStack() as stack,
        limited_daemon(descriptors=64, silence_s=_NEVER_S, silence_when_full_s=0.25) as daemon,
    ):
        for _ in range(200):
            stack.enter_context(daemon.connect())
        assert daemon.is_answered("127.0.0.2")
        logged = daemon.stop()
        assert "only 32 of 4096 connections are possible with 64 file descriptors" in logged
        assert logged.count("\n") == 1, logged


def test_descriptors_that_ran_out_are_told_once_and_nobody_is_forgotten() -> None:
    with limited_daemon(descriptors=64, connections=8) as daemon, ExitStack() as stack:
        inside = stack.enter_context(daemon.connect())
        assert status_of(inside, b"GET /exhaust HTTP/1.1\r\nHost: x\r\n\r\n") == 200
        outside = [stack.enter_context(daemon.connect()) for _ in range(5)]
        assert daemon.process.stderr is not None
        said = daemon.process.stderr.readline()
        assert said == "ERROR no connection can be accepted: Too many open files\n"
        assert status_of(inside, b"GET /free HTTP/1.1\r\nHost: x\r\n\r\n") == 200
        assert [status_of(one) for one in outside] == 5 * [200]
        assert daemon.stop() == ""


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
        b"Content-Length: 4, 5\r\n",
        b"Content-Length: +4\r\n",
        b"Content-Length: 0x4\r\n",
        b"Content-Length : 4\r\n",
        b"Transfer-Encoding: chunked\r\nHost: y\r\n",
    ],
)
def test_a_request_whose_end_others_may_see_elsewhere_is_refused(head: bytes) -> None:
    with limited_daemon() as daemon:
        with daemon.connect() as sock:
            smuggled = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
            assert status_of(sock, _POST + head + b"\r\n" + smuggled) == 400
            assert is_closed(sock)
        assert daemon.is_answered()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (_POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (_POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n", 400),
        (_POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", 400),
        (_POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n", 400),
        (_POST + b"Transfer-Encoding: chunked\r\n\r\n" + 30 * b"f" + b"\r\n", 400),
        (b"POST / HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nX: " + 66_000 * b"x" + b"\r\n\r\n", 431),
    ],
)
def test_malformed_requests_are_refused_in_kind(request_bytes: bytes, status: int) -> None:
    with limited_daemon() as daemon:
        with daemon.connect() as sock:
            assert status_of(sock, request_bytes) == status
            assert is_closed(sock)
        assert daemon.is_answered()
        assert "Traceback" not in daemon.stop()
