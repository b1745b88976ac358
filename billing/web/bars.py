"""A bar chart as figures a template can draw: lengths in hundredths, positions in pixels.

Text keeps its size whatever the width of the screen, so that it can be read on a phone; only the
bars stretch. What a chart shows, a table beside it says.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_ROW: Final = 58  # pixels: a line of text, a bar, and room
_WHOLE: Final = 100


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        label: what it is of.
        value: the amount, written out.
        length: from 0 to 100.
        text_y, bar_y: where its text stands and its bar begins, in pixels from the top.
    """

    label: str
    value: str
    length: float
    text_y: int
    bar_y: int


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart.

    Attributes:
        height: in pixels.
    """

    bars: tuple[Bar, ...]
    height: int


def draw(amounts: Iterable[tuple[str, str, int]]) -> Bars:
    """Lay out a chart of labels, written values and amounts; what is below zero has no bar."""
    rows = list(amounts)
    longest = max((amount for *_, amount in rows), default=0)
    bars = (
        Bar(
            label,
            value,
            round(max(0, amount) * _WHOLE / longest, 2) if longest > 0 else 0,
            number * _ROW + 20,
            number * _ROW + 29,
        )
        for number, (label, value, amount) in enumerate(rows)
    )
    return Bars(tuple(bars), len(rows) * _ROW)
