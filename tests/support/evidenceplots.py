"""The plots of docs/evidence: small SVG files, the same bytes for the same rows. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

_INK, _GRID = "#333333", "#dddddd"
_COLOURS = ("#1b6ca8", "#d1495b", "#8d8d8d")
_FONT = 'font-family="sans-serif" font-size="11"'


class Canvas:
    """A drawing with a white ground; lengths are pixels, y grows downwards."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._parts: list[str] = [f'<rect width="{width}" height="{height}" fill="white"/>']

    def text(self, x: float, y: float, words: str, *, anchor: str = "start", colour: str = _INK) -> None:
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" {_FONT}>{escape(words)}</text>')

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: str = _GRID) -> None:
        (x, y), (to_x, to_y) = start, end
        self._parts.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}"/>')

    def mark(self, x: float, y: float, series: int, title: str) -> None:
        """A point of a series: a disc, a square or a ring, with what it is for whoever points at it."""
        colour = _COLOURS[series]
        shape = (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}">',
            f'<rect x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6" fill="{colour}">',
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="none" stroke="{colour}" stroke-width="1.5">',
        )[series]
        self._parts.append(f"{shape}<title>{escape(title)}</title></{'rect' if series == 1 else 'circle'}>")

    def bar(self, x: float, y: float, size: tuple[float, float], series: int) -> None:
        width, height = size
        self._parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{_COLOURS[series]}"/>')

    def render(self, title: str) -> str:
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(title)}">'
        return "\n".join((head, *self._parts, "</svg>")) + "\n"


class Point(NamedTuple):
    """One cell on the axis: what it is, its group, and a value for each series that has one there."""

    title: str
    group: str
    values: Sequence[float | None]


def plot_ratios(title: str, points: Sequence[Point], series: Sequence[str], ticks: Sequence[float]) -> str:
    """Ratios of at least 1 on a logarithmic axis, one cell beside the other; a line between two groups."""
    left, top, width, height = 44, 40, 700, 220
    canvas = Canvas(left + width + 12, top + height + 34)
    canvas.text(left, 14, title)
    for number, name in enumerate(series):
        canvas.mark(left + 6 + 210 * number, 28, number, name)
        canvas.text(left + 14 + 210 * number, 32, name)
    most = math.log(ticks[-1])

    def height_of(value: float) -> float:
        return top + height * (1 - min(most, math.log(max(1.0, value))) / most)

    for tick in ticks:
        canvas.line((left, height_of(tick)), (left + width, height_of(tick)))
        canvas.text(left - 6, height_of(tick) + 4, f"{tick:g}", anchor="end")
    step, begin = width / len(points), 0
    for index, point in enumerate(points):
        for number, value in enumerate(point.values):
            if value is not None:
                canvas.mark(left + step * (index + 0.5), height_of(value), number, f"{point.title}: {value:.2f}")
        if index + 1 == len(points) or points[index + 1].group != point.group:
            canvas.text(left + step * (begin + index + 1) / 2, top + height + 16, point.group, anchor="middle")
            canvas.line((left + step * (index + 1), top), (left + step * (index + 1), top + height + 4), _INK)
            begin = index + 1
    return canvas.render(title)


def plot_shares(title: str, groups: Mapping[str, Sequence[float]], series: Sequence[str]) -> str:
    """Shares of 0 to 1 as bars, a group of them for each name, one bar for each series."""
    left, top, width, height = 44, 40, 700, 180
    canvas = Canvas(left + width + 12, top + height + 28)
    canvas.text(left, 14, title)
    for number, name in enumerate(series):
        canvas.bar(left + 2 + 210 * number, 24, (9, 9), number)
        canvas.text(left + 15 + 210 * number, 32, name)
    for tick in (0, 0.25, 0.5, 0.75, 1):
        y = top + height * (1 - tick)
        canvas.line((left, y), (left + width, y))
        canvas.text(left - 6, y + 4, f"{100 * tick:g} %", anchor="end")
    step = width / len(groups)
    for index, (name, values) in enumerate(groups.items()):
        canvas.text(left + step * (index + 0.5), top + height + 16, name, anchor="middle")
        wide = step * 0.7 / len(series)
        for number, value in enumerate(values):
            x = left + step * (index + 0.15) + wide * number
            canvas.bar(x, top + height * (1 - value), (wide - 2, max(0.5, height * value)), number)
    return canvas.render(title)
