"""Subscriptions: apply Stripe's state, tell the reader what changed, end and keep on request."""

from billing.subscriptions.apply import apply
from billing.subscriptions.change import cancel_at_period_end, finish_change, keep
from billing.subscriptions.follow import known, look_again, remind_of_renewals
from billing.subscriptions.tell import tell_of_failure, tell_of_payment

__all__ = [
    "apply",
    "cancel_at_period_end",
    "finish_change",
    "keep",
    "known",
    "look_again",
    "remind_of_renewals",
    "tell_of_failure",
    "tell_of_payment",
]
