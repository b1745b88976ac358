"""From an object at Stripe to the verb that looks at it again: the one way in for every feed."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from sqlalchemy.orm import Session

from billing import checkout, subscriptions
from billing.context import Context


class SubjectKind(enum.StrEnum):
    """The objects we look at again; everything else hangs on one of them."""

    CHECKOUT = "checkout"
    SUBSCRIPTION = "subscription"
    INVOICE = "invoice"
    PAYMENT = "payment"  # a payment intent, with its charge and its refunds


@dataclass(frozen=True, slots=True)
class Subject:
    """One object at Stripe that somebody says has changed."""

    kind: SubjectKind
    id: str


def refresh(
    context: Context, subject: Subject, *, also: Callable[[Session], None] = lambda _session: None
) -> None:
    """Look at one object again and apply what is seen. Repeats safely, in any order.

    Args:
        context: the process's context.
        subject: what to look at.
        also: written in the last commit of the effects, such as an event's handled mark.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.
        UnknownReaderError: it is ours, but we know no reader for it.
    """
    match subject.kind:
        case SubjectKind.CHECKOUT:
            checkout.settle(context, subject.id, also=also)
        case SubjectKind.SUBSCRIPTION:
            subscriptions.look_again(context, subject.id, also=also)
        case SubjectKind.INVOICE:
            checkout.look_at_invoice(context, subject.id, also=also)
        case SubjectKind.PAYMENT:
            checkout.look_at_payment(context, subject.id, also=also)
        case _:
            assert_never(subject.kind)
