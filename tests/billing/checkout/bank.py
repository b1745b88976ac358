"""Agreeing to a Direct Debit, and waiting for the bank."""

from billing import checkout
from billing.context import Context
from tests.support.stripe import LocalStripe
from tests.support.subscriber import by_bank, session_of, start, status_of


def agree(context: Context, stripe: LocalStripe, account: str) -> checkout.Started:
    """Subscribe by Direct Debit, and come back."""
    started = start(context)
    by_bank(stripe, started.url, account)
    checkout.settle(context, session_of(started))
    return started


def settle_again(context: Context, started: checkout.Started) -> str:
    checkout.settle(context, session_of(started))
    return status_of(context, started)


def wait_for_the_bank(context: Context, stripe: LocalStripe, started: checkout.Started) -> str:
    """Let days go by until the bank has spoken, and return what it came to."""
    stripe.advance(days=8)
    for _ in range(24):
        stripe.advance(seconds=6 * 3600)
        if settle_again(context, started) != "awaiting_bank":
            break
    return status_of(context, started)
