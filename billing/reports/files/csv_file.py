"""CSV for people and their spreadsheets: UTF-8 with BOM, CRLF, every record of one width.

No text cell can become a formula; no number is ever touched. For machines that import accounts
this is the wrong file: a leading apostrophe would corrupt what they read.
Source: https://owasp.org/www-community/attacks/CSV_Injection and
https://www.rfc-editor.org/rfc/rfc4180
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

Cell = str | int | Decimal | date

_BOM: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
_CHUNK: Final = 64 * 1024  # characters written at once
# What makes a spreadsheet read a cell as a formula, the full-width forms of East Asian keyboards
# among them.
_TRIGGERS: Final = (
    "=", "+", "-", "@", "\t", "\r", "\n",
    "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
    "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}",
)  # fmt: skip


def chunks(rows: Iterable[Sequence[Cell]], *, width: int) -> Iterator[bytes]:
    """Yield a file piece by piece as its rows come; they never all lie in memory.

    Args:
        rows: the records; shorter ones are filled up.
        width: how many fields every record has.
    """
    buffer = io.StringIO(newline="")
    buffer.write(_BOM)
    writer = csv.writer(buffer, lineterminator="\r\n")
    for row in rows:
        cells = [_written(cell) for cell in row]
        writer.writerow(cells + [""] * (width - len(cells)))
        if buffer.tell() >= _CHUNK:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _written(cell: Cell) -> str:
    match cell:
        case str():
            return _harmless(cell)
        case date():
            return cell.isoformat()
        case _:
            return str(cell)


def _harmless(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run; quoting alone does not defuse it."""
    text = text.replace("\0", "")
    return f"'{text}" if text.startswith(_TRIGGERS) else text
