"""A content management system as small as can be: it prints a text only for whom nginx says."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

EDGE_SECRET = "between-nginx-and-the-newsroom"


def text_of(article: str) -> str:
    """Return the words that are behind the wall."""
    return f"TEXT<{article}>"


@dataclass
class Newsroom:
    """A running one.

    Attributes:
        heard: the headers of each request, in lower case, with its path and method.
    """

    port: int
    status: int
    page: str
    headers: Sequence[tuple[str, str]]
    heard: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def running(
    *, status: int = 200, page: str = "", headers: Sequence[tuple[str, str]] = ()
) -> Iterator[Newsroom]:
    """Run one in a thread; its status, its page and headers of its answers may be given."""

    class Handler(_Handler):
        newsroom = Newsroom(0, status, page, headers)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.newsroom.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Handler.newsroom
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    newsroom: ClassVar[Newsroom]

    def do_GET(self) -> None:
        """Print a page: an article by `/<view>/<id>`, whatever stands before the id."""
        heard = {name.lower(): value for name, value in self.headers.items()}
        self.newsroom.heard.append(heard | {":path": self.path, ":method": self.command})
        article = self.path.partition("?")[0].strip("/").rpartition("/")[2]
        from_nginx = heard.get("x-edge-secret") == EDGE_SECRET
        granted = from_nginx and heard.get("x-paywall-access") == "granted"
        reason = heard.get("x-paywall-reason", "")
        words = text_of(article) if granted else f"WALL {reason}"
        page = (self.newsroom.page or f"Headline of {article}. {words}").encode()
        self.send_response(self.newsroom.status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Cache-Control", "max-age=60")
        for name, value in self.newsroom.headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)

    do_HEAD = do_POST = do_GET  # noqa: N815  # its own names for them

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its own name for it
        """Say nothing."""
