"""Owed work, and whose turn it is to look at a Stripe object. The table is the queue."""

from billing.queue.lease import Fence, look
from billing.queue.owed import claim_due, finish, give_back, is_deadly, park, replay, retry

__all__ = [
    "Fence",
    "claim_due",
    "finish",
    "give_back",
    "is_deadly",
    "look",
    "park",
    "replay",
    "retry",
]
