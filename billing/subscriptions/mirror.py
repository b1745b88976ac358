"""Copy Stripe's state of one subscription into our row: the status table, in one place.

`paid_until` is the end of what is paid, whatever we held before: a mirror that was wrong is put
right by one look. What Stripe lets run beyond it, because it has not asked yet or a bank is still
at work, is `provisional_until`; a word Stripe has newly invented changes nothing but the status.

Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
"""

from datetime import datetime

from billing.models import Price, Subscription, SubscriptionStatus
from billing.stripe_gateway.types import StripeSubscription


def mirror(ours: Subscription, theirs: StripeSubscription, price: Price | None) -> None:
    """Copy what Stripe says; `price` is the one of ours among its items, None where there is none.

    A change that still waits for its payment is not among the items: the old plan stays until then.

    Source: https://docs.stripe.com/billing/subscriptions/pending-updates
    """
    ours.status = theirs.status
    if price is not None:
        ours.plan, ours.interval = price.plan, price.interval
        ours.stripe_price_id = price.stripe_price_id
    else:
        ours.interval = theirs.interval
        ours.stripe_price_id = next(iter(theirs.price_ids), "")
    ours.amount, ours.currency = theirs.amount, theirs.currency
    ours.stripe_customer_id = theirs.customer_id
    ours.payment_method_id = theirs.payment_method_id
    ours.collection_paused = theirs.collection_paused
    ours.started_at = theirs.started
    ours.ends_on, ours.ended_at = theirs.ends_on, theirs.ended_at
    ours.pay_url = "" if theirs.status.ended else theirs.pay_url
    if theirs.status is not SubscriptionStatus.UNKNOWN:
        _mirror_what_is_paid(ours, theirs)


def _mirror_what_is_paid(ours: Subscription, theirs: StripeSubscription) -> None:
    ours.past_due_since = ours.provisional_until = None
    ours.paid_until = theirs.paid_until
    match theirs.status:
        case SubscriptionStatus.ACTIVE | SubscriptionStatus.TRIALING:
            _let_run(ours, theirs.at_bank_until if theirs.collection_paused else theirs.period_ends)
        case SubscriptionStatus.PAST_DUE | SubscriptionStatus.UNPAID if not theirs.period_paid:
            ours.past_due_since = theirs.overdue_since or theirs.paid_until
            if theirs.paid_until > theirs.started:  # who has never paid is not trusted twice
                _let_run(ours, theirs.at_bank_until)
        case SubscriptionStatus.PAUSED if theirs.paused_at:
            ours.paid_until = min(theirs.paid_until, theirs.paused_at)
        case SubscriptionStatus.CANCELED if theirs.ended_at:
            ours.paid_until = min(theirs.paid_until, theirs.ended_at)
        case _:
            pass  # what is owed for a change beside a paid period takes nothing of it away


def _let_run(ours: Subscription, until: datetime | None) -> None:
    """Let one run beyond what is paid; what is paid for longer loses no day by it."""
    ours.provisional_until = until if until is not None and until > ours.paid_until else None
