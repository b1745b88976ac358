"""Start the demonstration newspaper: `python -m demo --billing http://localhost:8000`."""

import argparse
import errno
import logging
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import uvicorn

from demo.app import build

HOST: Final = "127.0.0.1"  # a demonstration, and its mailbox, are for this machine only


class Server(uvicorn.Server):
    """Says when it answers, so that whoever started us need not poll."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and print one line."""
        await super().startup(sockets=sockets)
        if self.started and sockets:
            port = sockets[0].getsockname()[1]
            print(f"paper ready http://localhost:{port}", flush=True)  # noqa: T201


def main() -> int:
    """Run until told to stop."""
    options = _options()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    logging.basicConfig(level=logging.WARNING, format="paper %(message)s", stream=sys.stderr)
    door = _open_door(options.port, option="--port")
    smtp_door = _open_door(options.smtp_port, option="--smtp-port")
    app = build(billing=options.billing, data=options.data, smtp_door=smtp_door)
    # proxy_headers=False: nobody stands before us, so X-Forwarded-For is only what a browser says.
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    server = Server(config)
    server.run(sockets=[door])
    return 0 if server.started else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="the newspaper (8080)")
    parser.add_argument("--smtp-port", type=int, default=2525, help="the mail catcher (2525)")
    parser.add_argument("--billing", type=_base, default="http://localhost:8000")
    parser.add_argument("--data", type=Path, default=Path("var"), help="where mail is kept (./var)")
    return parser.parse_args()


def _base(address: str) -> str:
    if not address.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{address!r} is not a web address")
    return address.rstrip("/")


def _open_door(port: int, *, option: str) -> socket.socket:
    """Bind and listen at once, so that a taken port is one sentence and not a traceback."""
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((HOST, port))
        door.listen(128)
    except (OSError, OverflowError) as problem:
        taken = isinstance(problem, OSError) and problem.errno == errno.EADDRINUSE
        why = "is already in use" if taken else f"cannot be opened ({problem})"
        sys.exit(f"Port {port} {why}. Choose another with {option}.")
    return door


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Exit 0. Uvicorn drains first, then raises the signal again, and it ends here."""
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
