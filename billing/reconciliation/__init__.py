"""How we come to agree with Stripe: one function for every feed, and the polls that feed it."""

from billing.reconciliation.events import (
    NotReplayableError,
    find_event,
    parked_events,
    replay_event,
    replay_since,
)
from billing.reconciliation.health import Health, health
from billing.reconciliation.polls import poll_balance_transactions, poll_unfinished
from billing.reconciliation.reader import look_at_due_readers, look_at_reader
from billing.reconciliation.refresh import refresh
from billing.reconciliation.subject import Subject, SubjectKind
from billing.reconciliation.unknown import finish_commands

__all__ = [
    "Health",
    "NotReplayableError",
    "Subject",
    "SubjectKind",
    "find_event",
    "finish_commands",
    "health",
    "look_at_due_readers",
    "look_at_reader",
    "parked_events",
    "poll_balance_transactions",
    "poll_unfinished",
    "refresh",
    "replay_event",
    "replay_since",
]
