"""The newspaper's pages: front, sections, articles.

The text behind the wall is in no response: `Press.article` is handed only what may be read.
"""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from demo.articles import Edition
from demo.check import Asked, PaywallCheck
from demo.press import Press


class Newsroom:
    """Answers for the paper itself."""

    def __init__(self, edition: Edition, press: Press, check: PaywallCheck) -> None:
        """Open the newsroom."""
        self._edition = edition
        self._press = press
        self._check = check

    def routes(self) -> list[Route]:
        """Return the newspaper's addresses."""
        return [
            Route("/", self.front),
            Route("/section/{slug}", self.section),
            Route("/article/{slug}", self.article),
        ]

    async def front(self, _request: Request) -> HTMLResponse:
        """Print the front page."""
        return HTMLResponse(self._press.page("front.html", limit=self._check.limit))

    async def section(self, request: Request) -> HTMLResponse:
        """Print one section's page."""
        section = self._edition.by_section.get(request.path_params["slug"])
        if section is None:
            raise HTTPException(404)
        words = self._press.page("section.html", limit=self._check.limit, section=section)
        return HTMLResponse(words)

    async def article(self, request: Request) -> Response:
        """Print an article, having asked whether this reader may read it. Free ones don't ask."""
        named = request.path_params["slug"]
        moved = self._edition.by_id.get(named)
        if moved is not None:  # the billing system knows an article by its stable id alone
            return RedirectResponse(f"/article/{moved.slug}", status_code=303)
        article = self._edition.by_slug.get(named)
        if article is None:
            raise HTTPException(404)
        asked = Asked(answer=None)
        if article.metered:
            asked = await self._check.ask(
                article.id,
                method=request.method,
                headers=request.headers,
                peer=request.client.host if request.client else None,
            )
        if request.method == "HEAD":
            return _private(HTMLResponse(), asked)
        if asked.answer is not None and asked.answer.only_prepared:
            # No text, which would be read uncounted, and no wall before whoever may read.
            return _private(Response(status_code=503, headers={"retry-after": "1"}), asked)
        words = self._press.article(
            article,
            asked=article.metered,
            answer=asked.answer,
            limit=self._check.limit,
            address=str(request.url.replace(query="")),
        )
        return _private(HTMLResponse(words), asked)


def _private(response: Response, asked: Asked) -> Response:
    """Keep one reader's page out of every shared cache, and hand on billing's cookies."""
    response.headers["cache-control"] = "private, no-store"
    for cookie in asked.set_cookies:
        response.headers.append("set-cookie", cookie)
    return response
