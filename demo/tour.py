"""`./dev tour`: play the reader's journey, and print the evidence of each step.

On what `./dev run` started, or, where nothing runs, on an instance of its own that is thrown away.
Exit 0, or the name of the step that failed.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2

from demo.journey import Journey
from demo.stack import Ports, Stack, StackError, interrupt

_AS_GOOD_AS_NOW: Final = 60
_WRONG: Final = (httpx2.HTTPError, LookupError, StackError, ValueError, AssertionError)


def main() -> int:
    """Play the tour."""
    parser = argparse.ArgumentParser(prog="./dev tour", description="Play the reader's journey.")
    parser.add_argument("--data", type=Path, default=Path("var"), help="what ./dev run keeps")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        with _instance(options.data) as stack:
            return _play(Journey(stack))
    except StackError as problem:
        print(problem, file=sys.stderr)
        return 1


def _play(journey: Journey) -> int:
    for number, (name, step) in enumerate(journey.steps().items(), start=1):
        print(f"{number}. {name}", flush=True)
        try:
            for evidence in step():
                print(f"     {evidence}", flush=True)
        except _WRONG as problem:
            print(f"FAILED at step {number}, {name}: {type(problem).__name__}: {problem}")
            return 1
    print("The whole journey works.")
    return 0


@contextmanager
def _instance(data: Path) -> Iterator[Stack]:
    running = Stack.kept(data)
    if running is not None and running.answers():
        print(f"On what is running at {running.web}.")
        _let_the_month_end(running)
        yield running
        return
    print("Nothing is running: starting an instance of its own, thrown away afterwards.")
    with tempfile.TemporaryDirectory(prefix="tour-") as directory:
        stack = Stack(Path(directory), Ports.free())
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


def _let_the_month_end(stack: Stack) -> None:
    """Wait while days pass in seconds: a sign-in link would be too old before it was opened."""
    told = False
    while stack.seconds_behind() > _AS_GOOD_AS_NOW:
        if not told:
            print("The demonstration month is still being played; waiting for it.", flush=True)
            told = True
        time.sleep(1)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
