"""Plots of what was measured, as SVG that is readable on light and on dark ground."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Panel", "plotted"]

_WIDTH, _HEIGHT = 360, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 44, 36
_LINE_HEIGHT = 18
_COLOURS = ("#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#a855f7", "#0ea5b7", "#d946ef", "#84a30b")
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .ground { fill: #ffffff }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  polyline { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .ground { fill: #0d1117 }
    .grid { stroke: #30363d }
  }
"""
# The steps between the lines of a grid are one of these times a power of ten.
_STEPS = (1, 2, 5, 10)
_MOST_LINES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Lines over the same sizes: by name, what was measured at each size (None: nothing)."""

    title: str
    lines: Mapping[str, Sequence[float | None]]


def plotted(what: str, sizes: Sequence[int], panels: Sequence[Panel], where: str) -> str:
    """An SVG with the panels beside each other, over ``sizes`` of ``what``, on a logarithmic scale.

    Lines of one name have one colour; ``where`` says where it was measured.
    """
    names = [*dict.fromkeys(name for panel in panels for name in panel.lines)]
    colours = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
    width = _WIDTH * len(panels)
    height = _HEIGHT + _LINE_HEIGHT * (len(names) + 2)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape('; '.join(panel.title for panel in panels))}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{width}" height="{height}"/>',
    ]
    for number, panel in enumerate(panels):
        parts.append(f'<g transform="translate({number * _WIDTH} 0)">')
        parts += _panel(panel, what, sizes, colours)
        parts.append("</g>")
    for line, name in enumerate(names, 1):
        at = _HEIGHT + _LINE_HEIGHT * line
        parts.append(
            f'<rect x="{_LEFT}" y="{at - 6}" width="18" height="3" fill="{colours[name]}"/>'
            f'<text x="{_LEFT + 26}" y="{at}">{escape(name)}</text>'
        )
    parts.append(f'<text x="{_LEFT}" y="{height - 8}">{escape(where)}</text></svg>\n')
    return "\n".join(parts)


def _panel(
    panel: Panel, what: str, sizes: Sequence[int], colours: Mapping[str, str]
) -> Sequence[str]:
    values = [value for line in panel.lines.values() for value in line if value is not None]
    step = _step(max(values, default=1.0))
    top = step * math.ceil(max(values, default=1.0) / step)
    span = math.log(max(sizes) / min(sizes)) or 1.0

    def across(size: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * math.log(size / min(sizes)) / span

    def down(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / top

    parts = [f'<text class="title" x="{_LEFT}" y="20">{escape(panel.title)}</text>']
    for number in range(round(top / step) + 1):
        at = down(number * step)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{number * step:g}</text>'
        )
    for size in sizes:
        anchor = "end" if size == max(sizes) else "middle"
        parts.append(
            f'<text x="{across(size):.1f}" y="{_HEIGHT - _BOTTOM + 16}" '
            f'text-anchor="{anchor}">{size:,}</text>'
        )
    parts.append(
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 4}" '
        f'text-anchor="middle">{escape(what)}</text>'
    )
    for name, line in panel.lines.items():
        points = [
            (across(size), down(value))
            for size, value in zip(sizes, line, strict=True)
            if value is not None
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" stroke="{colours[name]}"/>')
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colours[name]}"/>' for x, y in points
        ]
    return parts


def _step(most: float) -> float:
    """The step between the lines of a grid that ends at or above ``most``."""
    power = 10.0 ** math.floor(math.log10(most / _MOST_LINES))
    return power * next(step for step in _STEPS if power * step * _MOST_LINES >= most)
