"""Copy Stripe's state of one subscription into our row: the status table, in one place.

`paid_until` moves on only when a period is paid. What Stripe lets run before that, because it has
not asked yet or a bank is still at work, is `provisional_until`; a word Stripe has newly invented
changes nothing but the status.

Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
"""

from typing import Final

from billing.models import Price, Subscription, SubscriptionStatus
from billing.stripe_gateway.types import StripeSubscription

_RUNS: Final = (
    SubscriptionStatus.ACTIVE,
    SubscriptionStatus.TRIALING,
    SubscriptionStatus.PAST_DUE,
    SubscriptionStatus.UNPAID,
)


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
    match theirs.status:
        case status if status in _RUNS and theirs.period_paid:
            ours.paid_until = theirs.period_ends  # whatever else may be owed beside it
        case SubscriptionStatus.ACTIVE | SubscriptionStatus.TRIALING:
            ours.paid_until = min(ours.paid_until, theirs.period_starts)
            if not theirs.collection_paused:
                ours.provisional_until = theirs.period_ends
        case SubscriptionStatus.PAST_DUE | SubscriptionStatus.UNPAID:
            ours.paid_until = ours.past_due_since = theirs.unpaid_since or theirs.period_starts
        case SubscriptionStatus.PAUSED if theirs.paused_at:
            ours.paid_until = min(ours.paid_until, theirs.paused_at)
        case SubscriptionStatus.CANCELED if theirs.ended_at:
            ours.paid_until = min(ours.paid_until, theirs.ended_at)
        case _:
            pass
