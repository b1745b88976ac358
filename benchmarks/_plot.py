"""A plot as a file of text: pairs of bars, ours and the floor."""

from collections.abc import Mapping
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _FOOT, _LEFT = 640, 360, 60, 60
_OURS, _FLOOR, _INK = "#b3261e", "#9aa0a6", "#202124"


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
            parts.append(
                f'<rect x="{x + offset:.0f}" y="{top:.0f}" width="60" height="{high:.0f}"'
                f' fill="{colour}"/>'
            )
            parts.append(_text(x + offset + 30, top - 6, f"{value:,}"))
        said = f"{level} at once: {found[f'ratio_{level}']:.2f} of the floor"
        parts.append(_text(x, _HEIGHT - _FOOT + 22, said))
    parts.append(_text(_WIDTH / 2, _HEIGHT - 12, "grey: the floor · red: ours", size=12))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        f' font-family="sans-serif" role="img" aria-label="{escape(title)}">\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>\n' + "\n".join(parts)
    ) + "\n</svg>\n"


def _text(x: float, y: float, words: str, *, size: int = 13) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="middle"'
        f' fill="{_INK}">{escape(words)}</text>'
    )
