"""Giving: money that buys nothing, and thanks for it."""

from billing.giving.donations import follow_payment, tell_of_failure

__all__ = ["follow_payment", "tell_of_failure"]
