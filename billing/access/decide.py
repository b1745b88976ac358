"""The decision: facts in, answer out. Pure, total, and the only place that says yes or no.

Rights unite: any one that holds now lets the reader in, whatever the others say. Without one, the
paper's word about the article and the free articles of the window decide.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from billing.access.reasons import BY_RANK, NAMES_ITS_DAY, Reason, for_reader
from billing.clock import accounting_day, in_words
from billing.models import OpenTo

# Whoever had a paid right so shortly before the staff opened the paper was a subscriber, as we last
# knew: longer than a month and its grace are, so that a fault of ours has time to be noticed.
LAST_KNOWN: Final = timedelta(days=60)
_RANK: Final = {reason: rank for rank, reason in enumerate(BY_RANK)}
_PAID: Final = frozenset(
    {Reason.SUBSCRIBER, Reason.OFFLINE, Reason.SEAT, Reason.GIFT, Reason.GRACE}
)


class Flag(enum.StrEnum):
    """What the paper says of an article."""

    FREE = "free"  # everybody reads it, and it is not counted
    METERED = "metered"
    LOCKED = "locked"  # only who has a right reads it


@dataclass(frozen=True, slots=True)
class Right:
    """One dated right to read.

    Attributes:
        reason: what it is called at the wall.
        starts_at: the first instant it holds.
        ends_at: the first instant it no longer does; None where nothing limits it.
    """

    reason: Reason
    starts_at: datetime
    ends_at: datetime | None

    def holds(self, instant: datetime) -> bool:
        """Tell whether it holds at an instant."""
        return self.starts_at <= instant and (self.ends_at is None or instant < self.ends_at)


@dataclass(frozen=True, slots=True)
class Opening:
    """A time in which the staff have opened the paper.

    Attributes:
        starts_at, ends_at: the first instant of it, and the first that is not.
    """

    open_to: OpenTo
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision may depend on.

    Attributes:
        rights: the reader's, those that ended lately among them; none for a visitor.
        used: how many articles were counted in this window, without this one unless it was.
        read_before: whether this article was.
        window_ends: when the count starts again.
        flag: what the paper says of the article.
        counts: False where nobody reads yet: a prefetch, or a look at the headers alone.
        openings: the staff's.
    """

    rights: tuple[Right, ...]
    used: int
    read_before: bool
    window_ends: datetime
    flag: Flag = Flag.METERED
    counts: bool = True
    openings: tuple[Opening, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What the paper has decided.

    Attributes:
        limit: free articles in a window.
    """

    limit: int


@dataclass(frozen=True, slots=True)
class MeterState:
    """The reader's free articles, this one included if it is one of them."""

    used: int
    limit: int
    resets_at: datetime

    @property
    def remaining(self) -> int:
        """How many are left."""
        return max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer, and everything that is told of it.

    Attributes:
        because: a sentence for the reader.
        valid_until: the next instant at which time alone changes the answer; None if it never does.
        meter: where the free articles decided.
    """

    reason: Reason
    because: str
    valid_until: datetime | None
    meter: MeterState | None

    @property
    def granted(self) -> bool:
        """Whether the reader may read."""
        return self.reason.grants


def decide(facts: Facts, *, now: datetime, policy: Policy) -> Decision:
    """Answer one question: may this person read this article now?"""
    if facts.flag is Flag.FREE:
        return _plain(Reason.FREE)
    rights = (*facts.rights, *_opened(facts))
    standing = _standing(rights, now)
    changes = _next_change(rights, now, standing)
    if standing is not None:
        return Decision(standing.reason, standing.in_words(), changes, meter=None)
    if facts.flag is Flag.LOCKED:
        return Decision(Reason.LOCKED, for_reader(Reason.LOCKED), changes, meter=None)
    reason = _metered(facts, policy)
    meter = MeterState(facts.used + (reason is Reason.METERED), policy.limit, facts.window_ends)
    valid_until = min(filter(None, (changes, facts.window_ends)))
    return Decision(reason, _because_of_meter(reason, meter), valid_until, meter)


def decide_blindly(flag: Flag, *, opens: bool) -> Decision:
    """Answer while nothing can be looked up: as the paper would have it then.

    Args:
        flag: what the paper says of the article.
        opens: whether the paper would rather let this person read.
    """
    if flag is Flag.FREE:
        return _plain(Reason.FREE)
    return _plain(Reason.OUTAGE if opens else Reason.UNAVAILABLE)


def decide_for_search_bot() -> Decision:
    """Answer a search engine that the paper lets in: it finds articles for others to read."""
    return _plain(Reason.SEARCH_BOT)


def _plain(reason: Reason) -> Decision:
    return Decision(reason, for_reader(reason), valid_until=None, meter=None)


@dataclass(frozen=True, slots=True)
class _Standing:
    """What a reader's rights alone would have us answer.

    Attributes:
        last_day: of the last right of this reason, where its sentence names it; else None.
    """

    reason: Reason
    last_day: date | None

    def in_words(self) -> str:
        return for_reader(self.reason, day=in_words(self.last_day) if self.last_day else "")


def _opened(facts: Facts) -> tuple[Right, ...]:
    """Return what the staff's openings come to for this reader, as rights like any other."""
    return tuple(
        Right(Reason.BREAK_GLASS, opening.starts_at, opening.ends_at)
        for opening in facts.openings
        if opening.open_to is OpenTo.EVERYONE or _was_subscriber(facts.rights, opening)
    )


def _was_subscriber(rights: Iterable[Right], opening: Opening) -> bool:
    since = opening.starts_at - LAST_KNOWN
    return any(
        right.reason in _PAID
        and right.starts_at < opening.ends_at
        and (right.ends_at is None or right.ends_at > since)
        for right in rights
    )


def _standing(rights: tuple[Right, ...], instant: datetime) -> _Standing | None:
    holding = [right for right in rights if right.holds(instant)]
    if not holding:
        return None
    reason = min((right.reason for right in holding), key=_RANK.__getitem__)
    if reason not in NAMES_ITS_DAY:
        return _Standing(reason, None)
    ends = [right.ends_at for right in holding if right.reason is reason]
    dated = [end for end in ends if end is not None]
    return _Standing(reason, _last_day(max(dated)) if len(dated) == len(ends) else None)


def _next_change(
    rights: tuple[Right, ...], now: datetime, standing: _Standing | None
) -> datetime | None:
    """Return when the standing is next another one, looking only at the instants it could be."""
    edges = {
        edge
        for right in rights
        for edge in (right.starts_at, right.ends_at)
        if edge is not None and edge > now
    }
    for edge in sorted(edges):
        if _standing(rights, edge) != standing:
            return edge
    return None


def _metered(facts: Facts, policy: Policy) -> Reason:
    if facts.read_before:
        return Reason.REREAD
    if facts.used >= policy.limit:
        return Reason.LIMIT_REACHED
    return Reason.METERED if facts.counts else Reason.PREPARED


def _because_of_meter(reason: Reason, meter: MeterState) -> str:
    day = in_words(accounting_day(meter.resets_at))
    return for_reader(reason, day=day, used=meter.used, limit=meter.limit)


def _last_day(until: datetime) -> date:
    """Return the last day of a right: one that ends at midnight holds until the evening before."""
    return accounting_day(until - timedelta(microseconds=1))
