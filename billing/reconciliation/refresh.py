"""From an object at Stripe to the verb that looks at it again: the one way in for every feed."""

from collections.abc import Callable
from typing import assert_never

from sqlalchemy.orm import Session

from billing import checkout, payments, subscriptions
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
        _look(context, subject, also)
        return
    with context.db.reading() as session:
        before = standing_of(session, subject)

    def and_the_repair(session: Session) -> None:
        record_repair(session, subject, feed=feed, before=before, now=context.clock.now())
        also(session)

    _look(context, subject, and_the_repair)


def _look(context: Context, subject: Subject, also: Also) -> None:
    match subject.kind:
        case SubjectKind.CHECKOUT:
            checkout.settle(context, subject.id, also=also)
        case SubjectKind.SUBSCRIPTION:
            subscriptions.look_again(context, subject.id, also=also)
        case SubjectKind.INVOICE:
            checkout.look_at_invoice(context, subject.id, also=also)
        case SubjectKind.PAYMENT:
            checkout.look_at_payment(context, subject.id, also=also)
        case SubjectKind.DISPUTE:
            meet = checkout.look_at_payment
            payments.look_at_dispute(context, subject.id, meet=meet, also=also)
        case SubjectKind.PAYOUT:
            meet = checkout.look_at_payment
            payments.look_at_payout(context, subject.id, meet=meet, also=also)
        case SubjectKind.ACCOUNT:
            payments.look_at_account(context, subject.id, also=also)
        case SubjectKind.QUESTION:
            payments.look_at_question(context, subject.id, also=also)
        case SubjectKind.BALANCE:
            poll_balance_transactions(context)
            with context.db.unit_of_work() as session:
                also(session)
        case _:
            assert_never(subject.kind)
