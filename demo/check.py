"""The paper's side of the paywall: ask billing, from our server, whether this reader may read this.

The reader's cookies travel through us and are never kept by us: one client serves every reader.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx2

from demo.answers import Answer, Links

PATIENCE: Final = 2.0  # seconds; a reader waits no longer than this for our own plumbing
ASSUMED_LIMIT: Final = 3  # what the demonstration is started with, until an answer tells us
PASSED_ON: Final = ("cookie", "user-agent", "sec-purpose", "purpose", "x-moz")
REFUSED: Final = {"access": "denied", "reason": "unavailable"}

log = logging.getLogger("demo.check")


@dataclass(frozen=True, slots=True)
class Asked:
    """What came back: an answer or none, and the cookies to hand on to the browser unchanged."""

    answer: Answer | None
    set_cookies: tuple[str, ...] = ()


class PaywallCheck:
    """Our client of `GET /paywall/v1/check`."""

    def __init__(self, billing: str) -> None:
        """Prepare to ask the billing service at this base address."""
        self.links = Links.on(billing)
        self.limit = ASSUMED_LIMIT
        self._url = f"{billing}/paywall/v1/check"
        # A cookie jar that refuses everything: a shared client which remembered one reader's
        # Set-Cookie would read the next article in that reader's name.
        no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        # trust_env=False: a proxy named in the environment must not see our readers.
        self.client = httpx2.AsyncClient(timeout=PATIENCE, cookies=no_cookies, trust_env=False)

    async def ask(
        self, article_id: str, *, method: str, headers: Mapping[str, str], peer: str | None
    ) -> Asked:
        """Ask about one article on behalf of the browser which sent `headers` from `peer`.

        No answer is not a refusal. When billing is slow, down or talking nonsense the fault is
        ours, and turning away people who have paid costs more trust than a few free articles
        cost money; so the caller prints the article and says so (it fails open). A question that
        billing calls unreadable is refused: or whoever spoils their cookies would read everything.
        """
        request = self.client.build_request(
            "HEAD" if method == "HEAD" else "GET",
            self._url,
            params={"article": article_id},
            headers=_passed_on(headers, peer),
        )
        try:
            # The client's timeout is per step; this one is for the whole conversation.
            async with asyncio.timeout(PATIENCE):
                response = await self.client.send(request)
        except (httpx2.HTTPError, TimeoutError) as problem:
            log.warning("check_unanswered article=%s why=%s", article_id, type(problem).__name__)
            return Asked(answer=None)
        cookies = tuple(response.headers.get_list("set-cookie"))
        return Asked(answer=self._read(article_id, response), set_cookies=cookies)

    async def close(self) -> None:
        """Hang up."""
        await self.client.aclose()

    def _read(self, article_id: str, response: httpx2.Response) -> Answer | None:
        if response.request.method == "HEAD":
            return None  # an answer without a body, by definition
        if response.is_client_error:
            log.warning("check_refused article=%s status=%s", article_id, response.status_code)
            return Answer.read(REFUSED, links=self.links)
        try:
            response.raise_for_status()
            answer = Answer.read(response.json(), links=self.links)
        except (httpx2.HTTPStatusError, LookupError, TypeError, ValueError) as problem:
            log.warning("check_unreadable article=%s why=%s", article_id, type(problem).__name__)
            return None
        if answer.meter is not None:
            self.limit = answer.meter.limit
        return answer


def _passed_on(headers: Mapping[str, str], peer: str | None) -> dict[bytes, bytes]:
    """Pick what billing must know of the browser: who it is, where from, and if it only looks.

    A prefetch is not reading, so the browser's word for it goes along and billing counts nothing.
    As bytes: a mangled cookie is billing's to judge, and must not stop here as bad text.
    """
    passed = {name: headers[name] for name in PASSED_ON if name in headers}
    hops = [hop for hop in (headers.get("x-forwarded-for"), peer) if hop]
    if hops:
        passed["x-forwarded-for"] = ", ".join(hops)
    return {name.encode(): value.encode("latin-1") for name, value in passed.items()}
