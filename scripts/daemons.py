"""Running `virtcim` daemons: started, known to be ready, stopped, and what they had to say."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["Daemon", "DaemonError"]

# A busy computer needs most of a minute.
_READY_TIMEOUT_S = 180.0
# Longer than operations that run are given by the daemon itself.
_STOP_TIMEOUT_S = 40.0
_PATIENCE_S = 2.0


class DaemonError(RuntimeError):
    """A daemon did not start, did not get ready in time or did not stop; its log is in the text."""


class Daemon:
    """One `virtcim` daemon with the given arguments, from its `ready` line to the end of the block.

    What it writes to standard error is added to the file `log`. It is told to stop when the thread
    that started it ends, so that nothing is left behind even if this process is killed.
    """

    def __init__(
        self, *arguments: str, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.arguments = arguments
        self.log = log
        self.urls: tuple[str, ...] = ()
        self._environment = {**os.environ, "LC_ALL": "C", **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The first URL that it said to be ready at."""
        return self.urls[0]

    @property
    def pid(self) -> int:
        """Its process number."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Daemon:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Nobody waits for what still runs at the end of the block.
        self.stop(patience_s=_PATIENCE_S)

    def start(self) -> None:
        """Start it and wait for its `ready` line."""
        program = Path(sys.executable).with_name("virtcim")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", str(program), *self.arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C is for the program in the foreground, which then stops us in good order.
                process_group=0,
            )
        try:
            words = self._first_line().split()
            if words[:1] != ["ready"] or not words[1:]:
                raise DaemonError(self._complaint("said something else than `ready <url>`"))
        except DaemonError:
            self.kill()
            raise
        self.urls = tuple(words[1:])

    def terminate(self) -> None:
        """Ask it to stop, and go on."""
        assert self._process is not None
        self._process.terminate()

    def stop(self, *, patience_s: float = _STOP_TIMEOUT_S) -> int:
        """Ask it to stop and give its exit status; it is 0 where all is well.

        After ``patience_s`` it is asked again: it then stops at once.
        """
        if self._process is None:
            return 0
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        self._process.terminate()
        try:
            status = self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise DaemonError(self._complaint("does not stop")) from error
        finally:
            self.kill()
        return status

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def _first_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        deadline = time.monotonic() + _READY_TIMEOUT_S
        received = b""
        while not received.endswith(b"\n"):
            readable, _, _ = select.select([output], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise DaemonError(self._complaint(f"is not ready after {_READY_TIMEOUT_S:.0f} s"))
            chunk = os.read(output, 4096)
            if not chunk:
                raise DaemonError(self._complaint(f"ended with status {self._process.wait()}"))
            received += chunk
        return received.decode()

    def _complaint(self, what: str) -> str:
        said = self.log.read_text(errors="replace")
        return f"`virtcim {' '.join(self.arguments)}` {what}; it said:\n{said}"
