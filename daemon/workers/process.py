"""One worker as its parent sees it: a process, its socket, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["WorkerProcess", "WorkerProgram", "start_worker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProgram:
    """How a worker is started: a command, to which the number of its socket is added.

    It reads ``instructions``, an object of JSON, from its standard input. ``inherited`` are open
    files that it has, too; ``environment`` is its own.
    """

    command: Sequence[str]
    instructions: Mapping[str, Any]
    environment: Mapping[str, str]
    inherited: Sequence[int] = ()


@dataclass(frozen=True, slots=True, eq=False)
class WorkerProcess:
    """A process that was started; ``sock`` is the parent's end of its socket."""

    process: subprocess.Popen[bytes]
    sock: socket.socket

    @property
    def pid(self) -> int:
        """Its number."""
        return self.process.pid

    async def ended(self, patience_s: float) -> str:
        """How it ended; after ``patience_s`` it is killed."""
        try:
            status = await asyncio.to_thread(self.process.wait, patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = await asyncio.to_thread(self.process.wait)
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"was ended by {signal.Signals(-status).name}"
        return f"ended with status {status}"


def start_worker(program: WorkerProgram, instructions: Mapping[str, Any]) -> WorkerProcess:
    """Start a worker; ``instructions`` are added to those of the program. Raises OSError."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        process = subprocess.Popen(
            [*program.command, str(its.fileno())],
            stdin=subprocess.PIPE,
            # Only the parent says that the daemon is ready.
            stdout=subprocess.DEVNULL,
            env=program.environment,
            pass_fds=(its.fileno(), *program.inherited),
            # Ctrl-C at a terminal is for the parent, which stops its workers.
            process_group=0,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        its.close()
    told = json.dumps({**program.instructions, **instructions}).encode()
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(told)
    return WorkerProcess(process, ours)
