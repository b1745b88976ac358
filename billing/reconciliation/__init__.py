"""How we come to agree with Stripe: one function for every feed, and the polls that feed it."""

from billing.reconciliation.events import (
    NotReplayableError,
    parked_events,
    replay_event,
    replay_since,
)
from billing.reconciliation.polls import poll_balance_transactions, poll_unfinished
from billing.reconciliation.refresh import refresh
from billing.reconciliation.subject import Subject, SubjectKind

__all__ = [
    "NotReplayableError",
    "Subject",
    "SubjectKind",
    "parked_events",
    "poll_balance_transactions",
    "poll_unfinished",
    "refresh",
    "replay_event",
    "replay_since",
]
