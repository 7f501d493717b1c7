"""Looking now and then at what there is, while something is done again and again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from report import Progress, machine, print_lines

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["show", "watched"]

_Sample = TypeVar("_Sample", bound="DataclassInstance")


def watched(
    cycles: int,
    every: int,
    *,
    run: Callable[[int], int],
    sample: Callable[[int, float], _Sample],
    line: Callable[[_Sample], str],
    record: Path | None,
    progress: Progress,
) -> list[_Sample]:
    """The samples, a dataclass each, at first and after ``every`` so many of all ``cycles``.

    ``run`` does some and gives how many there was time for; ``sample`` is told how many were done,
    and in how many seconds. ``record`` gets a JSON line of each.
    """
    began = time.monotonic()
    samples: list[_Sample] = []

    def look(done: int) -> None:
        samples.append(sample(done, time.monotonic() - began))
        progress.step(line(samples[-1]))
        if record is not None:
            with record.open("a") as file:
                file.write(f"{json.dumps(asdict(samples[-1]))}\n")

    look(0)
    for done in range(0, cycles, every):
        many = min(every, cycles - done)
        if run(many) < many:
            break
        look(done + many)
    return samples


def show(samples: Sequence[_Sample], line: Callable[[_Sample], str], *, as_json: bool) -> None:
    """Print all of them, and on what they were taken."""
    if as_json:
        print(json.dumps({"machine": machine(), "samples": [asdict(one) for one in samples]}))
        return
    print_lines(
        ", ".join(f"{name} {value}" for name, value in machine().items()), *map(line, samples)
    )
