"""One line of JSON for each thing that happened: its name and ids, never a person or a secret.

A failure is written as its kind and the places it passed through. Its text stays out: the texts of
other people's errors quote whatever they were given, addresses and tokens among it.
"""

import logging
import sys
import traceback
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_PLACES: Final = 12  # of the innermost calls
# Our own rooms, and the server's start and end. Others, Stripe's SDK first, speak of each request.
_TALKATIVE: Final = ("billing", "emails", "service", "uvicorn.error", "webhooks")


def configure(log_format: str) -> None:
    """Send everything, our libraries' lines too, to standard error in one shape."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tell_failures,
    ]
    ending: Processor = (
        structlog.dev.ConsoleRenderer(colors=False)
        if log_format == "text"
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, ending],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.INFO)


def _tell_failures(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Replace an exception by its kind and where it came from."""
    given = line.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else _error_in(given)
    if error is not None:
        line["error"] = type(error).__name__
        line["at"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)[-_PLACES:]
        ]
    return line


def _error_in(given: Any) -> BaseException | None:
    found = given[1] if isinstance(given, tuple) else given
    return found if isinstance(found, BaseException) else None
