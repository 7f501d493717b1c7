"""A daemon with small limits in a process of its own, and sockets that treat it badly."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.wire.serving import DEADLINE_S

__all__ = ["LimitedDaemon", "is_closed", "limited_daemon", "status_of"]

_PROGRAM = """
import json, logging, os, resource, sys
from virtcim.daemon.client_limits import ClientLimits
from virtcim.daemon.run import parse_listen, run_daemon

held = []

async def read_all(receive):
    while (await receive()).get("more_body"):
        pass

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    path, text, status = scope["path"], b"good", 200
    if path == "/refuse":
        status = 401
    else:
        await read_all(receive)
    if path == "/exhaust":
        try:
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
    if path == "/free":
        while held:
            os.close(held.pop())
    if path == "/large":
        text = b"x" * 50_000_000
    headers = [(b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})

logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
listen = parse_listen(sys.argv[1], cert_file="cert.pem", key_file="key.pem")
if descriptors := int(sys.argv[2]):
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
sys.exit(run_daemon(lambda: app, [listen], limits=ClientLimits(**json.loads(sys.argv[3]))))
"""


@dataclass(frozen=True, slots=True)
class LimitedDaemon:
    """Where it is, and its process."""

    port: int
    process: subprocess.Popen[str]

    def connect(self, source: str = "127.0.0.1", *, receive_bytes: int = 0) -> socket.socket:
        """A connection from an address of this machine."""
        sock = socket.socket()
        sock.settimeout(DEADLINE_S)
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", self.port))
        return sock

    def is_answered(self, source: str = "127.0.0.1") -> bool:
        """Whether a good client gets its answer, on a connection of its own."""
        with self.connect(source) as sock:
            return status_of(sock) == 200

    def stop(self) -> str:
        """End it in order, and give what it has logged."""
        self.process.terminate()
        _, logged = self.process.communicate(timeout=DEADLINE_S)
        assert self.process.returncode == 0, logged
        return logged


def status_of(sock: socket.socket, request: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") -> int:
    """The status of the answer to a request; 0 where the connection ends without one."""
    with suppress(BrokenPipeError, ConnectionResetError):
        sock.sendall(request)
    received = b""
    with suppress(ConnectionResetError):
        while b"\r\n\r\n" not in received:
            if not (piece := sock.recv(65536)):
                break
            received += piece
    return int(received.split(b" ", 2)[1]) if received else 0


def is_closed(sock: socket.socket) -> bool:
    """Wait until the other side has closed a connection of which nothing is read."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(DEADLINE_S * 1000))


@contextmanager
def limited_daemon(
    *, descriptors: int = 0, scheme: str = "http", directory: Path | None = None, **limits: float
) -> Iterator[LimitedDaemon]:
    """Run one with these limits; ``descriptors`` is its hard limit where it is not 0."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", _PROGRAM),
            *(f"{scheme}://127.0.0.1:0", str(descriptors), json.dumps(limits)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=directory,
    )
    killer = threading.Timer(3 * DEADLINE_S, process.kill)
    killer.start()
    try:
        assert process.stdout is not None
        word, url = process.stdout.readline().split()
        assert word == "ready"
        yield LimitedDaemon(int(url.rpartition(":")[2]), process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        if process.stdout is not None and not process.stdout.closed:
            process.communicate()
        killer.cancel()
