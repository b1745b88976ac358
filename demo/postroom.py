"""The mailbox's pages: read what the paper's readers would have been sent.

A message is somebody else's HTML. It is served at an address of its own, under a policy which
runs nothing and loads nothing, and shown in a frame with no rights to ours.
"""

import re
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from demo.check import PaywallCheck
from demo.mailbox import Mail, Mailbox
from demo.press import Press

PER_PAGE: Final = 50
# A link in a mail opens a tab of its own, as in any mail program; the frame may do nothing else.
MAY: Final = "allow-popups allow-popups-to-escape-sandbox"
MESSAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    f"form-action 'none'; frame-ancestors 'self'; sandbox {MAY}"
)
HEAD: Final = re.compile(r"<head[^>]*>", re.IGNORECASE)


class Postroom:
    """Answers for the mailbox."""

    def __init__(self, mailbox: Mailbox, press: Press, check: PaywallCheck) -> None:
        """Open the postroom."""
        self._mailbox = mailbox
        self._press = press
        self._check = check

    def routes(self) -> list[Route]:
        """Return the mailbox's addresses. Sync handlers: they read files, in threads."""
        return [
            Route("/mailbox", self.listing),
            Route("/mailbox", self.delete, methods=["DELETE"]),
            Route("/mailbox.json", self.as_json),
            Route("/mailbox/clear", self.clear, methods=["POST"]),
            Route("/mailbox/{id}", self.message),
            Route("/mailbox/{id}/html", self.html),
        ]

    def listing(self, request: Request) -> HTMLResponse:
        """Show what has arrived, newest first."""
        to, number = request.query_params.get("to", ""), _page(request)
        mails = self._mailbox.mails(to=to)
        start = (number - 1) * PER_PAGE
        return _unkept(
            self._press.page(
                "mailbox.html",
                limit=self._check.limit,
                mails=mails[start : start + PER_PAGE],
                total=len(mails),
                to=to,
                page=number,
                pages=max(1, -(-len(mails) // PER_PAGE)),
            )
        )

    def message(self, request: Request) -> HTMLResponse:
        """Show one message: its headers, its two parts and the links in it."""
        mail = self._mail(request)
        return _unkept(
            self._press.page("message.html", limit=self._check.limit, mail=mail, may=MAY)
        )

    def html(self, request: Request) -> HTMLResponse:
        """Serve the message's HTML part, for the frame on its page."""
        html = self._mail(request).html
        if html is None:
            raise HTTPException(404)
        found = HEAD.search(html)
        cut = found.end() if found else 0
        response = _unkept(f'{html[:cut]}<base target="_blank">{html[cut:]}')
        response.headers["content-security-policy"] = MESSAGE_POLICY
        response.headers["x-frame-options"] = "SAMEORIGIN"
        response.headers["referrer-policy"] = "no-referrer"
        return response

    def as_json(self, request: Request) -> JSONResponse:
        """List messages for a script: the tour and the tests read their mail here."""
        mails = self._mailbox.mails(to=request.query_params.get("to", ""))
        return JSONResponse([_row(mail) for mail in mails], headers={"cache-control": "no-store"})

    def clear(self, request: Request) -> Response:
        """Empty the mailbox, from its page."""
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise HTTPException(403)
        self._mailbox.clear()
        return RedirectResponse("/mailbox", status_code=303)

    def delete(self, _request: Request) -> Response:
        """Empty the mailbox, from a script."""
        self._mailbox.clear()
        return Response(status_code=204)

    def _mail(self, request: Request) -> Mail:
        mail = self._mailbox.mail(request.path_params["id"])
        if mail is None:
            raise HTTPException(404)
        return mail


def _unkept(words: str) -> HTMLResponse:
    """Answer with a page that no cache keeps: the mail has sign-in links in it."""
    return HTMLResponse(words, headers={"cache-control": "no-store"})


def _page(request: Request) -> int:
    number = request.query_params.get("page", "1")
    return max(1, int(number)) if number.isascii() and number.isdigit() else 1


def _row(mail: Mail) -> dict[str, object]:
    return {
        "id": mail.id,
        "to": list(mail.recipients),
        "subject": mail.subject,
        "date": mail.received.isoformat(),
        "text": mail.text,
        "links": list(mail.links),
    }
