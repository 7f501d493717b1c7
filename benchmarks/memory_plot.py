"""Draw what steady.py and steady_toolstack.py recorded: memory against life cycles, as SVG."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

_WIDTH, _HEIGHT = 720, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 16, 44
_COLOURS = ("#1f5fa8", "#b5541c", "#3b7d3b", "#7a4a9c")
_LABELS_ON_AN_AXIS = 6
_LABEL_HEIGHT = 14

app = typer.Typer(rich_markup_mode=None)


class _Line(NamedTuple):
    name: str
    points: Sequence[tuple[float, float]]  # life cycles, MB


@app.command()
def main(
    into: Annotated[Path, typer.Option(help="The file to write.")],
    records: Annotated[list[str], typer.Argument(help="What --record wrote: FILE or NAME=FILE.")],
) -> None:
    """Draw the resident memory of each daemon in each of the records.

    Example: .venv/bin/python benchmarks/memory_plot.py --into memory.svg before=a.jsonl b.jsonl
    """
    lines = [line for record in records for line in _lines(*_named(record))]
    into.write_text("\n".join(_drawn(lines)) + "\n")


def _named(record: str) -> tuple[Path, str]:
    name, _, path = record.rpartition("=")
    return Path(path), f", {name}" if name else ""


def _lines(record: Path, name: str) -> Iterator[_Line]:
    samples = [json.loads(line) for line in record.read_text().splitlines()]
    for daemon, called in (("toolstack", "toolstack"), ("server", "CIM server")):
        if daemon in samples[0]:
            points = [(one["cycles"], one[daemon]["memory_bytes"] / 1e6) for one in samples]
            yield _Line(f"{called}{name}", points)


def _drawn(lines: Sequence[_Line]) -> Iterator[str]:
    most_x = max(x for line in lines for x, _ in line.points)
    most_y = max(y for line in lines for _, y in line.points) * 1.1

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + x / most_x * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - y / most_y * (_HEIGHT - _TOP - _BOTTOM),
        )

    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">'
    )
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
    for y in _marks(most_y):
        left, height = place(0, y)
        right, _ = place(most_x, y)
        yield f'<path d="M{left:.0f} {height:.1f}H{right:.0f}" stroke="#ddd"/>'
        yield f'<text x="{left - 6:.0f}" y="{height + 4:.1f}" text-anchor="end">{y}</text>'
    for x in _marks(most_x):
        along, floor = place(x, 0)
        yield f'<text x="{along:.1f}" y="{floor + 16:.0f}" text-anchor="middle">{x:,}</text>'
    middle, floor = place(most_x / 2, 0)
    yield f'<text x="{middle:.0f}" y="{floor + 34:.0f}" text-anchor="middle">life cycles</text>'
    yield f'<text x="{_LEFT + 4}" y="{_TOP}">resident memory, MB</text>'
    labels: list[float] = []
    for line, colour in zip(lines, _COLOURS, strict=False):
        path = "L".join("{:.1f} {:.1f}".format(*place(*point)) for point in line.points)
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        along, height = place(*line.points[-1])
        while any(abs(height - other) < _LABEL_HEIGHT for other in labels):
            height -= _LABEL_HEIGHT
        labels.append(height)
        anchor, along = ("end", along) if along > _WIDTH / 2 else ("start", along + 6)
        yield (
            f'<text x="{along:.0f}" y="{height - 6:.0f}" text-anchor="{anchor}" '
            f'fill="{colour}">{line.name}</text>'
        )
    yield "</svg>"


def _marks(most: float) -> list[int]:
    """Round numbers from 0 up to ``most``, not more than there is room for."""
    for power in count():
        for step in (10**power, 2 * 10**power, 5 * 10**power):
            if most / step < _LABELS_ON_AN_AXIS:
                return [*range(0, int(most) + 1, step)]
    raise AssertionError("powers of ten end nowhere")


if __name__ == "__main__":
    app()
