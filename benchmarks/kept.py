"""What a running daemon holds: memory, threads, file descriptors, files, and what it counts."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from raw_clients import RequestError
from stage import Daemon, memory_of, processor_time_s

__all__ = ["Kept", "Metrics", "kept_by", "metrics_of"]

_LINE = re.compile(r"^(\w+)(\{.*\})? (\S+)$", re.MULTILINE)
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What one daemon holds now."""

    memory_bytes: int
    peak_bytes: int
    threads: int
    descriptors: int
    files: int
    files_bytes: int  # in its state directory
    processor_s: float


class Metrics:
    """The metrics of a daemon at one moment."""

    def __init__(self, text: str) -> None:
        self._lines = [(name, labels, float(value)) for name, labels, value in _LINE.findall(text)]

    def total(self, name: str, *labels: str) -> int:
        """The sum of what has that name and all those labels, each as ``name="value"``."""
        return int(
            sum(
                value
                for each, shown, value in self._lines
                if each == name and all(label in shown for label in labels)
            )
        )


def kept_by(daemon: Daemon) -> Kept:
    """Look at a running daemon through proc(5), and into its state directory."""
    process = Path(f"/proc/{daemon.pid}")
    memory = memory_of(daemon)
    state = Path(daemon.arguments[daemon.arguments.index("--state") + 1])
    sizes = [one.stat().st_size for one in state.rglob("*") if one.is_file()]
    return Kept(
        memory_bytes=memory.now_bytes,
        peak_bytes=memory.peak_bytes,
        threads=len(list((process / "task").iterdir())),
        descriptors=len(list((process / "fd").iterdir())),
        files=len(sizes),
        files_bytes=sum(sizes),
        processor_s=processor_time_s(daemon),
    )


def metrics_of(url: str, user: tuple[str, str] | None = None) -> Metrics:
    """Read `/metrics` of a daemon at ``http://HOST:PORT...`` or ``unix:PATH``."""
    socket = ("--unix-socket", url.removeprefix("unix:")) if url.startswith("unix:") else ()
    root = "http://localhost" if socket else url.removesuffix("/cimom")
    done = subprocess.run(
        ["curl", "-sf", *socket, "-K", "-", f"{root}/metrics"],
        # Not for other users' eyes.
        input="" if user is None else f'user = "{user[0]}:{user[1]}"\n',
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RequestError(f"no metrics at {url}: {done.returncode}")
    return Metrics(done.stdout)
