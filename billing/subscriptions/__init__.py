"""Subscriptions: apply Stripe's state, tell the reader what changed, end and keep on request."""

from billing.subscriptions.apply import apply
from billing.subscriptions.change import cancel_at_period_end, finish_change, keep
from billing.subscriptions.follow import known, look_again, remind_of_renewals
from billing.subscriptions.pay import change_page, come_back, finish_choice, pay_page
from billing.subscriptions.remind import REMINDED_EARLIEST, REMINDED_LATEST
from billing.subscriptions.tell import payment_under_way, tell_of_failure, tell_of_payment

__all__ = [
    "REMINDED_EARLIEST",
    "REMINDED_LATEST",
    "apply",
    "cancel_at_period_end",
    "change_page",
    "come_back",
    "finish_change",
    "finish_choice",
    "keep",
    "known",
    "look_again",
    "pay_page",
    "payment_under_way",
    "remind_of_renewals",
    "tell_of_failure",
    "tell_of_payment",
]
