"""Plots as files of text: pairs of bars, ours and the floor; and times, from the least on."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _FOOT, _LEFT = 640, 360, 60, 60
_OURS, _FLOOR, _INK = "#b3261e", "#9aa0a6", "#202124"
_COLOURS = (_OURS, "#e8928c", "#1a5fb4", "#8ab4e8")  # of what has no floor
_PANEL = 260


class Pair(NamedTuple):
    """What ours and the floor did in one measurement, a second."""

    words: str
    ours: float
    floor: float
    ratio: float


def bars(title: str, found: Mapping[str, float]) -> str:
    """Draw what a second took, at each number of connections that was measured."""
    levels = [int(key.removeprefix("ratio_")) for key in found if key.startswith("ratio_")]
    most = max(found[f"{who}per_second_{level}"] for level in levels for who in ("", "floor_"))
    parts = [_text(_WIDTH / 2, 28, title, size=18)]
    step = (_WIDTH - 2 * _LEFT) / len(levels)
    for place, level in enumerate(levels):
        x = _LEFT + step * place + step / 2
        for offset, who, colour in ((-62, "floor_", _FLOOR), (2, "", _OURS)):
            value = found[f"{who}per_second_{level}"]
            high = value / most * (_HEIGHT - _FOOT - 70)
            top = _HEIGHT - _FOOT - high
            parts.append(_bar(x + offset, _HEIGHT - _FOOT, 60, high, colour))
            parts.append(_text(x + offset + 30, top - 6, f"{value:,}"))
        said = f"{level} at once: {found[f'ratio_{level}']:.2f} of the floor"
        parts.append(_text(x, _HEIGHT - _FOOT + 22, said))
    parts.append(_text(_WIDTH / 2, _HEIGHT - 12, "grey: the floor · red: ours", size=12))
    return _drawing(title, parts, _HEIGHT)


def shares(title: str, panels: Mapping[str, Sequence[Pair]]) -> str:
    """Draw a panel for each database; every floor is as high as the others, whatever it did."""
    parts = [_text(_WIDTH / 2, 28, title, size=18)]
    height = 50 + _PANEL * len(panels) + 30
    for number, (name, pairs) in enumerate(panels.items()):
        foot = 50 + _PANEL * (number + 1) - 50
        parts.append(_text(_WIDTH / 2, foot - 186, name, size=15))
        full = 140 / max(1, *(pair.ratio for pair in pairs))
        step = (_WIDTH - 20) / len(pairs)
        for place, pair in enumerate(pairs):
            x = 10 + step * place + step / 2
            for offset, share, value, colour in (
                (-52, 1, pair.floor, _FLOOR),
                (2, pair.ratio, pair.ours, _OURS),
            ):
                parts.append(_bar(x + offset, foot, 50, full * share, colour))
                parts.append(_text(x + offset + 25, foot - full * share - 6, f"{value:,}"))
            parts.append(_text(x, foot + 18, pair.words))
            parts.append(_text(x, foot + 36, f"{pair.ratio:.2f} of the floor", size=12))
    parts.append(_text(_WIDTH / 2, height - 12, "grey: the floor · red: ours", size=12))
    return _drawing(title, parts, height)


def dots(title: str, series: Mapping[str, Sequence[float]]) -> str:
    """Draw seconds as dots in milliseconds, each row of them from its least to its greatest."""
    foot, high = _HEIGHT - _FOOT - 20, _HEIGHT - _FOOT - 80
    most = max(max(each) for each in series.values()) * 1000
    parts = [_text(_WIDTH / 2, 28, title, size=16)]
    for value in (0, most / 2, most):
        y = foot - value / most * high
        parts.append(_text(_LEFT / 2, y + 4, f"{value:.0f} ms", size=12))
        parts.append(f'<path d="M{_LEFT} {y:.0f}H{_WIDTH - 20}" stroke="#dadce0"/>')
    for number, (name, each) in enumerate(series.items()):
        colour, wide = _COLOURS[number % len(_COLOURS)], _WIDTH - 20 - _LEFT
        for place, seconds in enumerate(sorted(each)):
            x, y = _LEFT + wide * (place + 0.5) / len(each), foot - seconds * 1000 / most * high
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}"/>')
        x = _LEFT + wide * (number + 0.5) / len(series)
        parts.append(_text(x, foot + 44, name.replace("_", ": "), size=13, colour=colour))
    parts.append(_text(_WIDTH / 2, foot + 20, "from the soonest to the latest", size=12))
    return _drawing(title, parts, _HEIGHT)


def _drawing(title: str, parts: Sequence[str], height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
        f' font-family="sans-serif" role="img" aria-label="{escape(title)}">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n' + "\n".join(parts)
    ) + "\n</svg>\n"


def _bar(x: float, foot: float, wide: float, high: float, colour: str) -> str:
    return (
        f'<rect x="{x:.0f}" y="{foot - high:.0f}" width="{wide:.0f}" height="{high:.0f}"'
        f' fill="{colour}"/>'
    )


def _text(x: float, y: float, words: str, *, size: int = 13, colour: str = _INK) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="middle"'
        f' fill="{colour}">{escape(words)}</text>'
    )
