"""The paywall check: one plain ASGI application with a face for each who asks.

`check` answers the paper's server in JSON, `auth` nginx in headers, and `front` for many articles
at once. All of them have one decision made (`access.decide`), and are never kept by a cache. Who
asks is known by our cookies alone, never by a parameter. Whatever goes wrong in here, the reader
meets what the settings say for a database that is away.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from anyio import to_thread
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from billing.access import Answer, Flag, Question, Wall, gift_links, window_of
from billing.access.decide import decide_blindly, decide_for_search_bot
from billing.context import Context
from billing.web import cookies
from billing.web.bots import Bots
from billing.web.caller import address_of
from billing.web.paywall_answer import METHODS, Drawer, Lines, as_json, send_json, send_nothing
from billing.web.paywall_request import (
    Brought,
    CookieReader,
    Fault,
    FaultError,
    Headers,
    Wanted,
    article_in,
    flag_of,
    has_key,
    headers_of,
    many_in,
    prepares,
    wanted_in,
)

PREFIX: Final = "/paywall/v1/"
CHECK: Final = f"{PREFIX}check"
AUTH: Final = f"{PREFIX}auth"
FRONT: Final = f"{PREFIX}front"
MOST_AT_ONCE: Final = 100  # articles of a front page, of each flag
_READS: Final = frozenset({"GET", "HEAD"})
_FOR_SEARCH_BOTS: Final = Answer(decide_for_search_bot())
_NOT_FOUND: Final = Fault(404, "not_found", f"Ask {CHECK}, {AUTH} or {FRONT}.")
_WRONG_METHOD: Final = Fault(405, "method_not_allowed", f"Use one of {METHODS}.")
_DENIED: Final = (b"x-paywall-access", b"denied")
_ALLOW: Final = (b"allow", METHODS.encode())

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Asking:
    """One request at the wall.

    Attributes:
        counts: False where nobody reads yet.
        gifts: the articles that were passed on to this browser; None until they are asked for.
    """

    scope: Scope
    headers: Headers
    brought: Brought
    counts: bool
    now: datetime
    gifts: dict[str, UUID] | None = None

    @property
    def origin(self) -> bytes | None:
        """The page elsewhere whose script asks, if one does."""
        return self.headers.get(b"origin")


@dataclass(slots=True)
class _Pass:
    """The pass a reader was last given, or brought, and when it is time for another.

    Attributes:
        line: the header that gives it; None where the browser has it, or there is none to give.
    """

    token: str
    renew_at: datetime
    line: tuple[bytes, bytes] | None


class Paywall:
    """The application."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._settings = context.settings
        self._cookies = CookieReader(context.settings)
        self._crawlers = bool(context.settings.paywall.crawlers)
        self._bots = Bots(context.settings.paywall.crawlers)
        self._drawer = Drawer(context)
        self._lasts = timedelta(minutes=context.settings.paywall.pass_minutes)
        self._faces: dict[str, Callable[[Asking, Send], Awaitable[None]]] = {
            CHECK: self._check,
            AUTH: self._auth,
            FRONT: self._front,
        }
        self.wall = Wall(context.db, context.settings)

    @contextlib.asynccontextmanager
    async def until_the_end(self, _app: Any) -> AsyncIterator[None]:
        """Let go of threads and connections when the process is asked to stop."""
        yield
        await to_thread.run_sync(self.wall.close)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer one request; there is never a body to read."""
        headers = headers_of(scope)
        face, method = self._faces.get(scope["path"]), scope["method"]
        try:
            if face is None:
                await self._refuse(_NOT_FOUND, headers, send)
            elif method not in _READS:
                await self._say_methods(method, scope["path"], headers, send)
            else:
                counts = method == "GET" and not prepares(headers)
                brought = self._cookies.read(headers)
                await face(Asking(scope, headers, brought, counts, self._context.clock.now()), send)
        except FaultError as error:
            await self._refuse(error.fault, headers, send)

    async def _check(self, asking: Asking, send: Send) -> None:
        """Answer the paper's server, or a script of its pages."""
        wanted = wanted_in(asking.scope["query_string"])
        self._see_key(asking, needed=wanted.flag is not None)
        answer = await self._answer(asking, wanted, self._settings.paywall.check_when_down)
        lines = self._drawer.lines(asking.origin, *self._given(asking, answer))
        await send_json(send, self._drawer.json(answer, wanted.article, now=asking.now), lines)

    async def _auth(self, asking: Asking, send: Send) -> None:
        """Answer nginx, which reads a status and headers, and takes any other status as a fault.

        Source: https://nginx.org/en/docs/http/ngx_http_auth_request_module.html
        """
        try:
            wanted = self._wanted_by_nginx(asking)
        except FaultError as error:
            why = (b"x-paywall-fault", error.fault.code.encode())
            lines = self._drawer.lines(None, _DENIED, why)
            await send_nothing(send, 403, lines)
            return
        if asking.headers.get(b"x-original-method", b"GET") != b"GET":
            asking.counts = False
        answer = await self._answer(asking, wanted, self._settings.paywall.auth_when_down)
        told = self._drawer.for_nginx(answer.decision)
        lines = self._drawer.lines(None, *told, *self._given(asking, answer))
        refused = 403 if answer.signed_in else 401
        await send_nothing(send, 204 if answer.decision.granted else refused, lines)

    async def _front(self, asking: Asking, send: Send) -> None:
        """Answer for many articles at once; nothing is counted, and nobody is given a meter."""
        many = many_in(asking.scope["query_string"], most=MOST_AT_ONCE)
        self._see_key(asking, needed=any(each.flag for each in many))
        asking.counts = False
        may_read = partial(self._may_read, asking, self._settings.paywall.check_when_down)
        questions = [self._question(asking, each) for each in many]
        if self._crawlers and await self._is_search_bot(asking):
            answers = [_FOR_SEARCH_BOTS] * len(many)
        else:
            answers = await self.wall.ask_all(questions, now=asking.now, may_read=may_read)
        told = {
            each.article: self._drawer.at_a_glance(answer.decision)
            for each, answer in zip(many, answers, strict=True)
        }
        body = as_json({"articles": told})
        await send_json(send, body, self._drawer.lines(asking.origin))

    async def _answer(self, asking: Asking, wanted: Wanted, when_down: str) -> Answer:
        question = self._question(asking, wanted)
        try:
            if self._crawlers and await self._is_search_bot(asking):
                return _FOR_SEARCH_BOTS
            remembered = self.wall.recall(question, now=asking.now)
            if remembered is not None:
                return remembered
            may_read = partial(self._may_read, asking, when_down)
            return await self.wall.ask(question, now=asking.now, may_read=may_read)
        except Exception as error:  # noqa: BLE001  # a fault of ours is no reader's
            _log.error("the wall failed", exc_info=error)
            decision = decide_blindly(question.flag, opens=self._may_read(asking, when_down))
            return Answer(decision, signed_in=bool(question.session_token))

    def _question(self, asking: Asking, wanted: Wanted) -> Question:
        brought, gift = asking.brought, None
        if brought.gift:
            if asking.gifts is None:
                gifts = gift_links.read_cookie(self._settings, brought.gift, now=asking.now)
                asking.gifts = {each.article: each.link_id for each in gifts}
            gift = asking.gifts.get(wanted.article)
        return Question(
            wanted.article,
            brought.reader,
            brought.visitor,
            asking.counts,
            wanted.flag or Flag.METERED,
            gift,
        )

    def _wanted_by_nginx(self, asking: Asking) -> Wanted:
        flag = asking.headers.get(b"x-article-flag", b"").decode("latin-1")
        self._see_key(asking, needed=bool(flag))
        if flag and flag_of(flag) is None:
            raise FaultError(400, "flag_unreadable", "Send free, metered or locked.")
        query = asking.scope["query_string"]
        if query:
            return Wanted(wanted_in(query).article, flag_of(flag))
        path = asking.headers.get(b"x-original-uri", b"")
        article = article_in(path, self._settings.paywall.article_path)
        if article is None:
            raise FaultError(400, "article_missing", "Send ?article=, or set the article_path.")
        return Wanted(article, flag_of(flag))

    def _see_key(self, asking: Asking, *, needed: bool) -> None:
        """Let only the paper's own server say how an article is flagged."""
        if not has_key(asking.headers, self._settings) and needed:
            raise FaultError(
                403, "flag_needs_key", "Only the paper's server may send flags, by a key."
            )

    def _may_read(self, asking: Asking, when_down: str) -> bool:
        if when_down == "passes":
            return self.wall.passes.reads(asking.brought.reader_pass, now=asking.now)
        return when_down == "open"

    async def _is_search_bot(self, asking: Asking) -> bool:
        if not self._bots.claims(asking.headers.get(b"user-agent", b"").decode("latin-1")):
            return False
        address = address_of(HTTPConnection(asking.scope), self._settings)
        return address is not None and await self._bots.verify(str(address))

    def _given(self, asking: Asking, answer: Answer) -> Lines:
        """Return the cookie an answer gives: never two, since nginx hands on but one."""
        if answer.new_cookie:
            lasts = window_of(asking.now).ends_at - asking.now
            return [self._drawer.cookie(cookies.VISITOR, answer.new_cookie, lasts)]
        by_right = answer.decision.granted and answer.decision.meter is None
        if not (self._lasts and answer.signed_in and by_right):
            return []
        return self._reader_pass(asking, answer)

    def _reader_pass(self, asking: Asking, answer: Answer) -> Lines:
        """Give a pass to a reader with a right, unless theirs is good for a while yet."""
        brought, now = asking.brought.reader_pass, asking.now
        kept: _Pass | None = answer.drawn.get("pass")
        if kept is None or kept.renew_at <= now:
            passes = self.wall.passes
            if brought and passes.lasts(brought, now=now):
                kept = _Pass(brought, now + self._lasts / 10, None)
            else:
                decision = answer.decision
                token = passes.issue(decision.reason, until=decision.valid_until, now=now)
                if not token:
                    return []
                line = self._drawer.cookie(cookies.PASS, token, self._lasts)
                kept = _Pass(token, now + self._lasts / 2, line)
            answer.drawn["pass"] = kept
        return [] if kept.line is None or kept.token == brought else [kept.line]

    async def _say_methods(self, method: str, path: str, headers: Headers, send: Send) -> None:
        if path == AUTH:  # a proxy that passes a method on would take 204 for leave to read
            await send_nothing(send, 403, self._drawer.lines(None, _ALLOW, _DENIED))
        elif method == "OPTIONS":
            lines = self._drawer.lines(headers.get(b"origin"), _ALLOW)
            await send_nothing(send, 204, lines)
        else:
            await self._refuse(_WRONG_METHOD, headers, send, _ALLOW)

    async def _refuse(
        self, fault: Fault, headers: Headers, send: Send, *more: tuple[bytes, bytes]
    ) -> None:
        told = {"error": {"code": fault.code, "message": fault.cure}}
        body = as_json(told)
        lines = self._drawer.lines(headers.get(b"origin"), *more)
        await send_json(send, body, lines, status=fault.status)
