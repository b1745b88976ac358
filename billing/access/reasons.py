"""Why somebody was let in, or was not: a closed list, with a sentence for each who asks.

The list is part of our HTTP interface. The reader's sentence is shown by the paper; the other one
tells the staff what lies behind it.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from billing.models import EntitlementSource


class Reason(enum.StrEnum):
    """Why a reader was let in, or was not."""

    FREE = "free"  # the paper keeps this article open to all
    SUBSCRIBER = "subscriber"  # a subscription is paid
    OFFLINE = "offline"  # paid for in print, or past Stripe
    SEAT = "seat"  # an organisation pays for them
    GIFT = "gift"  # somebody else paid their subscription
    COMP = "comp"  # the paper gave access
    STAFF = "staff"  # they work for the paper
    GRACE = "grace"  # a renewal failed; there is time to put it right
    PROVISIONAL = "provisional"  # we know them, and look at Stripe before we refuse
    BREAK_GLASS = "break_glass"  # the staff have opened the paper for a while
    GIFT_LINK = "gift_link"  # a subscriber passed this article on
    SEARCH_BOT = "search_bot"  # a search engine, known by its name servers
    OUTAGE = "outage"  # we cannot look anything up, and the paper would rather let people read
    METERED = "metered"  # one of the free articles
    REREAD = "reread"  # counted in this window already; opening it again is free
    PREPARED = "prepared"  # a page nobody looks at yet; ask again when somebody does
    LOCKED = "locked"  # no right, and the paper keeps this article for those who have one
    LIMIT_REACHED = "limit_reached"  # no right, and no free article is left
    UNAVAILABLE = "unavailable"  # we cannot look anything up, and the paper would rather refuse

    @property
    def grants(self) -> bool:
        """Whether the reader may read."""
        return self not in _REFUSALS

    @property
    def for_staff(self) -> str:
        """What lies behind the answer, in a sentence for the staff."""
        return _FOR_STAFF[self]


_REFUSALS: Final = frozenset(
    {Reason.PREPARED, Reason.LOCKED, Reason.LIMIT_REACHED, Reason.UNAVAILABLE}
)

# At these a reader meets the wall, and what a subscription costs.
REFUSED_AT_THE_WALL: Final = frozenset({Reason.LIMIT_REACHED, Reason.LOCKED})

# What a right is called at the wall, by where it comes from.
OF_SOURCE: Final[Mapping[EntitlementSource, Reason]] = MappingProxyType(
    {
        EntitlementSource.SUBSCRIPTION: Reason.SUBSCRIBER,
        EntitlementSource.OFFLINE: Reason.OFFLINE,
        EntitlementSource.SEAT: Reason.SEAT,
        EntitlementSource.GIFT: Reason.GIFT,
        EntitlementSource.COMP: Reason.COMP,
        EntitlementSource.STAFF: Reason.STAFF,
        EntitlementSource.GRACE: Reason.GRACE,
        EntitlementSource.PROVISIONAL: Reason.PROVISIONAL,
    }
)

# Of several rights that hold, the first of these is named: what is paid before what is given.
BY_RANK: Final = (*OF_SOURCE.values(), Reason.BREAK_GLASS, Reason.GIFT_LINK)


def for_reader(reason: Reason, *, day: str = "", used: int = 0, limit: int = 0) -> str:
    """Return the sentence a reader is told.

    Args:
        reason: why.
        day: of a right, when it ends; of the meter, when the count restarts; in words, or ''.
        used: free articles counted, this one included.
        limit: free articles in a window.
    """
    until = f" until {day}" if day else ""
    free = "1 free article" if limit == 1 else f"{limit} free articles"
    return _FOR_READER[reason].format(until=until, day=day, used=used, limit=limit, free=free)


_FOR_READER: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.FREE: "This article is free for everybody.",
        Reason.SUBSCRIBER: "You are a subscriber. Thank you.",
        Reason.OFFLINE: "Your subscription in print lets you read here{until}. Thank you.",
        Reason.SEAT: "You read by a seat of your organisation{until}.",
        Reason.GIFT: "You read by a subscription that was given to you{until}.",
        Reason.COMP: "The paper has given you access{until}.",
        Reason.STAFF: "You read as one of the paper's staff{until}.",
        Reason.GRACE: (
            "Your last payment did not arrive. You can read on{until} while you put it right."
        ),
        Reason.PROVISIONAL: "We are looking at how your subscription stands. Read on meanwhile.",
        Reason.BREAK_GLASS: "The paper is open to you for the time being.",
        Reason.GIFT_LINK: "A subscriber has passed this article on to you.",
        Reason.SEARCH_BOT: "Search engines may read this article to find it for others.",
        Reason.OUTAGE: "We cannot look up who you are just now, so read on.",
        Reason.METERED: "This is free article {used} of {limit}. The count restarts on {day}.",
        Reason.REREAD: "You have opened this article before, so opening it again is free.",
        Reason.PREPARED: "Open the article to read it.",
        Reason.LOCKED: "This article is for subscribers.",
        Reason.LIMIT_REACHED: "You have read your {free}. The count restarts on {day}.",
        Reason.UNAVAILABLE: "We cannot look up who you are just now. Try again in a few minutes.",
    }
)

NAMES_ITS_DAY: Final = frozenset(
    reason for reason, sentence in _FOR_READER.items() if "{until}" in sentence
)

_FOR_STAFF: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.FREE: "The paper marked the article as free.",
        Reason.SUBSCRIBER: "A subscription at Stripe is paid, or its renewal may be on its way.",
        Reason.OFFLINE: "Staff wrote down that it is paid for in print or by another way.",
        Reason.SEAT: "An organisation pays for a seat that is theirs.",
        Reason.GIFT: "Somebody else has paid for their subscription.",
        Reason.COMP: "Staff gave access without a payment.",
        Reason.STAFF: "Staff wrote down that they work for the paper.",
        Reason.GRACE: "A renewal failed, and the days of grace are not over.",
        Reason.PROVISIONAL: "A known customer was about to be refused; a worker looks at Stripe.",
        Reason.BREAK_GLASS: "Staff opened the paper by the switch in the office.",
        Reason.GIFT_LINK: "The browser brought the link of a subscriber for this article.",
        Reason.SEARCH_BOT: "The address is a search engine's, by reverse and forward DNS.",
        Reason.OUTAGE: "The database did not answer, and the settings let people read meanwhile.",
        Reason.METERED: "No right held, and a free article was left; it was counted.",
        Reason.REREAD: "No right held; the article was counted in this window already.",
        Reason.PREPARED: "A browser only prepared the page; nothing was counted or shown.",
        Reason.LOCKED: "No right held, and the paper marked the article as locked.",
        Reason.LIMIT_REACHED: "No right held, and no free article was left in this window.",
        Reason.UNAVAILABLE: "The database did not answer, and the settings refuse meanwhile.",
    }
)
