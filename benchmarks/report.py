"""What a benchmark prints: a table for people, JSON for programs, and where it was measured."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from measurement import Measurement
from rich import box
from rich.console import Console
from rich.table import Table

__all__ = ["Progress", "as_json", "machine", "print_lines", "print_table"]

# Wide enough for every table, so that in a pipe each measurement is one line.
_PIPE_WIDTH = 160


class Progress:
    """Says on standard error what is being done: in one changing line on a terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("") if self._console.is_terminal else None

    def __enter__(self) -> Progress:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def step(self, text: str) -> None:
        """``text`` is what is being done from now on."""
        if self._status is not None:
            self._status.update(text)
        else:
            self._console.print(f"benchmark: {text}", soft_wrap=True)


def machine() -> dict[str, str]:
    """The machine and the moment, for whoever reads the figures later."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
        "processors": f"{len(os.sched_getaffinity(0))} x {_processor_name()}",
        "python": platform.python_version(),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def _processor_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def print_table(title: str, measurements: Sequence[Measurement]) -> None:
    """Print the measurements to standard output, in colour where that is a terminal."""
    console = _console()
    medians = {one.name: one.median_s for one in measurements}
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else box.ASCII2, padding=(0, 0, 0, 1))
    table.add_column("measured")
    for heading in ("median\nms", "least\nms", "90 %\nms", "times", "reply\nkB", "ratio", "target"):
        table.add_column(heading, justify="right")
    for one in measurements:
        table.add_row(
            one.name,
            _milliseconds(one.median_s),
            _milliseconds(one.minimum_s),
            _milliseconds(one.percentile_90_s),
            str(len(one.seconds)),
            f"{one.size_bytes / 1000:.1f}" if one.size_bytes else "",
            f"{one.median_s / medians[one.baseline]:.2g}" if one.baseline else "",
            _target(one),
        )
    console.print(title, style="bold")
    console.print(", ".join(f"{name} {value}" for name, value in machine().items()))
    console.print(table)


def print_lines(*lines: str) -> None:
    """Print lines to standard output."""
    for line in lines:
        _console().print(line, soft_wrap=True, markup=False)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.{0 if seconds >= 0.1 else 1 if seconds >= 0.01 else 2}f}"


def _target(one: Measurement) -> str:
    if one.target_s is None:
        return ""
    wanted = f"< {one.target_s * 1000:.0f} ms"
    return f"[green]{wanted} met[/]" if one.meets_target else f"[bold red]{wanted} MISSED[/]"


def as_json(measurements: Sequence[Measurement], **more: Mapping[str, object]) -> str:
    """Everything as one JSON object; times are in seconds."""
    return json.dumps(
        {
            "machine": machine(),
            **more,
            "measurements": [
                {
                    "name": one.name,
                    "median_s": one.median_s,
                    "minimum_s": one.minimum_s,
                    "percentile_90_s": one.percentile_90_s,
                    "times": len(one.seconds),
                    "size_bytes": one.size_bytes or None,
                    "baseline": one.baseline or None,
                    "target_s": one.target_s,
                    "meets_target": one.meets_target,
                }
                for one in measurements
            ],
        },
        indent=2,
    )
