"""Events about our own account at Stripe: its balance, its payouts, its standing."""

from billing.reconciliation import Subject, SubjectKind
from webhooks.event import Event
from webhooks.handlers.naming import IgnoredError, named, own


def paid_out(event: Event) -> Subject:
    """Look at the payout again: `paid` may turn to `failed` days later."""
    return Subject(SubjectKind.PAYOUT, own(event))


def balance_moved(event: Event) -> Subject:
    """Walk the movements of our balance: there is no event for a movement itself."""
    del event
    return Subject(SubjectKind.BALANCE, "balance")


def changed(event: Event) -> Subject:
    """Look at our account, whether it or something it may do has changed.

    Raises:
        IgnoredError: it names no account.
    """
    account = named(event, "account") if event.object_kind == "capability" else own(event)
    if not account:
        raise IgnoredError("it names no account")
    return Subject(SubjectKind.ACCOUNT, account)
