"""From an object at Stripe to the verb that looks at it again: the one way in for every feed."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from billing import checkout, payments, subscriptions
from billing.catalogue.watch import look_at_prices
from billing.context import Context
from billing.models import Feed
from billing.reconciliation.polls import poll_balance_transactions
from billing.reconciliation.repairs import ORDINARY, record_repair, standing_of
from billing.reconciliation.subject import Subject, SubjectKind

Also = Callable[[Session], None]


def refresh(
    context: Context,
    subject: Subject,
    *,
    feed: Feed = Feed.WEBHOOK,
    also: Also = lambda _session: None,
) -> None:
    """Look at one object again and apply what is seen. Repeats safely, in any order.

    Args:
        context: the process's context.
        subject: what to look at.
        feed: who says so. What changes by a look that no webhook and no reader had asked for is
            written down as a repair, here and nowhere else.
        also: written in the last commit of the effects, such as an event's handled mark.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.
        UnknownReaderError: it is ours, but we know no reader for it.
    """
    if feed in ORDINARY:
        LOOKS[subject.kind](context, subject.id, also=also)
        return
    with context.db.reading() as session:
        before = standing_of(session, subject)

    def and_the_repair(session: Session) -> None:
        record_repair(session, subject, feed=feed, before=before, now=context.clock.now())
        also(session)

    LOOKS[subject.kind](context, subject.id, also=and_the_repair)


def _compare_prices(context: Context, _price: str, *, also: Also) -> None:
    db, gateway, catalogue = context.db, context.gateway, context.catalogue
    look_at_prices(db, gateway, catalogue, clock=context.clock, also=also)


def _walk_the_balance(context: Context, _account: str, *, also: Also) -> None:
    poll_balance_transactions(context)
    with context.db.unit_of_work() as session:
        also(session)


LOOKS: Final[Mapping[SubjectKind, Callable[..., None]]] = {
    SubjectKind.CHECKOUT: checkout.settle,
    SubjectKind.SUBSCRIPTION: subscriptions.look_again,
    SubjectKind.INVOICE: checkout.look_at_invoice,
    SubjectKind.PAYMENT: checkout.look_at_payment,
    SubjectKind.CUSTOMER: payments.look_at_customer,
    SubjectKind.PAYMENT_METHOD: payments.look_at_payment_method,
    SubjectKind.MANDATE: payments.look_at_mandate,
    SubjectKind.DISPUTE: partial(payments.look_at_dispute, meet=checkout.look_at_payment),
    SubjectKind.PAYOUT: partial(payments.look_at_payout, meet=checkout.look_at_payment),
    SubjectKind.PRICE: _compare_prices,
    SubjectKind.ACCOUNT: payments.look_at_account,
    SubjectKind.BALANCE: _walk_the_balance,
    SubjectKind.QUESTION: payments.look_at_question,
}
