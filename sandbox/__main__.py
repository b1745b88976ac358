"""`python -m sandbox`: start the local Stripe."""

import argparse
import socket
import sys
from contextlib import suppress
from pathlib import Path

import uvicorn

from sandbox import api
from sandbox.kernel.app import Connection, create_app
from sandbox.kernel.world import World
from sandbox.pages import authenticate, checkout, console, control, invoice, portal
from sandbox.pages.render import door

_DAY = 24 * 3600
_ROOMS = (api,)  # importing it registers its operations, and the engine's jobs
_PAGES = {
    "/authenticate/{key}": authenticate.answer,
    "/c/pay/{key}": checkout.answer,
    "/i/{key}": invoice.answer,
    "/p/session/{key}": portal.answer,
}


def main() -> None:
    """Serve until interrupted."""
    options = _options()
    listening = _listen(options.port)
    url = f"http://localhost:{listening.getsockname()[1]}"
    start = -options.start_days_ago * _DAY
    world = World(options.data, url, options.clock_file, start=start)
    doors = [door(world, address, answer) for address, answer in _PAGES.items()]
    app = create_app(world, [*doors, *console.routes(world), *control.routes(world)])
    config = uvicorn.Config(app, http=Connection, log_level="warning", access_log=False)
    print(f"sandbox ready {url}", flush=True)  # noqa: T201 - others wait for this line
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8420, help="0 takes any free port")
    parser.add_argument("--data", type=Path, required=True, help="directory for its SQLite file")
    parser.add_argument("--clock-file", type=Path, help="write the clock's offset here, in seconds")
    parser.add_argument(
        "--start-days-ago", type=int, default=0, help="begin an empty store in the past"
    )
    return parser.parse_args()


def _listen(port: int) -> socket.socket:
    """Listen on this machine only."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen()
    except OSError:
        sys.exit(f"Port {port} is taken: stop what uses it, or choose another with --port.")
    return listening


if __name__ == "__main__":
    main()
