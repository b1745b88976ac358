"""The decision: facts in, answer out. Pure, total, and the only place that says yes or no.

Rights unite: any one that holds now lets the reader in, whatever the others say. Without one, the
free articles of the window decide.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from billing.clock import accounting_day, in_words
from billing.models import EntitlementSource


class Reason(enum.StrEnum):
    """Why a reader was let in, or was not. This list is closed, and part of our HTTP interface."""

    SUBSCRIBER = "subscriber"  # a subscription is paid
    COMP = "comp"  # the paper gave access
    GRACE = "grace"  # a renewal failed; there is time to put it right
    PROVISIONAL = "provisional"  # we know them, and look at Stripe before we refuse
    METERED = "metered"  # one of the free articles
    REREAD = "reread"  # counted in this window already; opening it again is free
    LIMIT_REACHED = "limit_reached"  # no right, and no free article is left

    @property
    def grants(self) -> bool:
        """Whether the reader may read."""
        return self is not Reason.LIMIT_REACHED


@dataclass(frozen=True, slots=True)
class Right:
    """One dated right to read.

    Attributes:
        starts_at: the first instant it holds.
        ends_at: the first instant it no longer does; None where nothing limits it.
    """

    source: EntitlementSource
    starts_at: datetime
    ends_at: datetime | None

    def holds(self, instant: datetime) -> bool:
        """Tell whether it holds at an instant."""
        return self.starts_at <= instant and (self.ends_at is None or instant < self.ends_at)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision may depend on.

    Attributes:
        rights: the reader's; none for a visitor.
        used: how many articles were counted in this window, without this one unless it was.
        read_before: whether this article was.
        window_ends: when the count starts again.
    """

    rights: tuple[Right, ...]
    used: int
    read_before: bool
    window_ends: datetime


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


# Of several rights that hold, the one that is named: what is paid before what is given.
_NAMED: Final = {
    EntitlementSource.SUBSCRIPTION: Reason.SUBSCRIBER,
    EntitlementSource.COMP: Reason.COMP,
    EntitlementSource.GRACE: Reason.GRACE,
    EntitlementSource.PROVISIONAL: Reason.PROVISIONAL,
}


def decide(facts: Facts, *, now: datetime, policy: Policy) -> Decision:
    """Answer one question: may this person read this article now?"""
    standing = _standing(facts.rights, now)
    changes = _next_change(facts.rights, now)
    if standing is not None:
        return Decision(standing.reason, standing.because, changes, meter=None)
    reason = _metered(facts, policy)
    used = facts.used + (reason is Reason.METERED)
    meter = MeterState(used, policy.limit, facts.window_ends)
    valid_until = min(filter(None, (changes, facts.window_ends)))
    return Decision(reason, _because_of_meter(reason, meter), valid_until, meter)


@dataclass(frozen=True, slots=True)
class _Standing:
    """What a reader's rights alone would have us answer."""

    reason: Reason
    because: str


def _standing(rights: Iterable[Right], instant: datetime) -> _Standing | None:
    holding = [right for right in rights if right.holds(instant)]
    for source, reason in _NAMED.items():
        ends = [right.ends_at for right in holding if right.source is source]
        if ends:
            dated = [end for end in ends if end is not None]
            until = max(dated) if len(dated) == len(ends) else None
            return _Standing(reason, _because_of(reason, until))
    return None


def _next_change(rights: tuple[Right, ...], now: datetime) -> datetime | None:
    """Return when the standing is next another one, looking only at the instants it could be."""
    edges = {edge for right in rights for edge in (right.starts_at, right.ends_at) if edge}
    standing = _standing(rights, now)
    for edge in sorted(edge for edge in edges if edge > now):
        if _standing(rights, edge) != standing:
            return edge
    return None


def _metered(facts: Facts, policy: Policy) -> Reason:
    if facts.read_before:
        return Reason.REREAD
    return Reason.METERED if facts.used < policy.limit else Reason.LIMIT_REACHED


def _because_of(reason: Reason, until: datetime | None) -> str:
    day = f" until {in_words(accounting_day(until))}" if until else ""
    if reason is Reason.COMP:
        return f"The paper has given you access{day}."
    if reason is Reason.GRACE:
        return f"Your last payment did not arrive. You can read on{day} while you put it right."
    if reason is Reason.PROVISIONAL:
        return "We are looking at how your subscription stands. Read on meanwhile."
    return "You are a subscriber. Thank you."


def _because_of_meter(reason: Reason, meter: MeterState) -> str:
    day = in_words(accounting_day(meter.resets_at))
    if reason is Reason.REREAD:
        return "You have opened this article before, so opening it again is free."
    if reason is Reason.METERED:
        return f"This is free article {meter.used} of {meter.limit}. The count restarts on {day}."
    return f"You have read your {meter.limit} free articles. The count restarts on {day}."
