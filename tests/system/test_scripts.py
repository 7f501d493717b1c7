"""The scripts that people start: they do what they promise, and leave nothing behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

_SCRIPTS = Path(__file__).parents[2] / "scripts"
# They may have to do all of it on a busy computer.
_TIMEOUT_S = 600.0


def processes_below(group: int) -> list[str]:
    """The command lines of the processes of that session."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            session = int(status.read_text().rpartition(")")[2].split()[3])
            command_line = (status.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if session == group:
            found.append(command_line)
    return found


@contextmanager
def running_demo(place: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        # Whoever runs the tests in the background may have them ignore Ctrl-C.
        ["env", "--default-signal=INT", _SCRIPTS / "demo", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(place)},
    ) as demo:
        try:
            yield demo
        finally:
            if demo.poll() is None:
                demo.terminate()


def read_until(stream: IO[bytes], marker: str) -> str:
    deadline = time.monotonic() + _TIMEOUT_S
    output = b""
    while marker.encode() not in output:
        readable, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(stream.fileno(), 65536) if readable else b""
        assert chunk, output.decode()
        output += chunk
    return output.decode()


def test_setting_up_again_changes_nothing_and_says_nothing() -> None:
    done = subprocess.run(
        [_SCRIPTS / "setup"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        ("qemu", ("ERR_CANNOT_ACCESS_DISK_FILE:", "ERR_BAD_PARAMETER:", "ERR_ALREADY_EXIST:")),
        ("test", ("ERR_VM_NOT_FOUND:", "ERR_WRONG_STATE_FOR_OP:", "ERR_ALREADY_EXIST:")),
    ],
)
def test_the_demonstration_shows_the_main_job_and_leaves_nothing(
    short_path: Path, kind: str, codes: tuple[str, ...]
) -> None:
    with running_demo(short_path, "--once", "--libvirt", kind) as demo:
        output = demo.communicate(timeout=_TIMEOUT_S)[0].decode()
    assert demo.returncode == 0, output
    assert "\x1b" not in output
    assert [code for code in codes if code not in output] == []
    assert processes_below(demo.pid) == []
    assert list(short_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_demonstration_stays_up_until_it_is_told_to_stop(
    short_path: Path, number: signal.Signals
) -> None:
    with running_demo(short_path, "--libvirt", "test") as demo:
        assert demo.stdout is not None
        read_until(demo.stdout, "Ctrl-C")
        demo.send_signal(number)
        rest, _ = demo.communicate(timeout=_TIMEOUT_S)
    assert demo.returncode == 0, rest.decode()
    assert processes_below(demo.pid) == []
    assert list(short_path.iterdir()) == []
