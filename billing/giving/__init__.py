"""Giving: money that buys nothing, and thanks for it."""

from billing.giving.donations import follow_payment

__all__ = ["follow_payment"]
