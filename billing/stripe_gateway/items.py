"""What a subscription consists of, and what it comes to: every item, however many, less discounts.

Prices and quantities stand on the items, discounts on the subscription; the sum is what the next
invoice will ask for, as far as anybody can know it today. What the dashboard alone can give, a
discount on one item of several, is not taken off: the sum is then too high, and never too low.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

import stripe

from billing.stripe_gateway.client import Gateway
from billing.stripe_gateway.values import instant_or_none

_PAGE = 100


def all_items(gateway: Gateway, found: stripe.Subscription) -> list[stripe.SubscriptionItem]:
    """Return every item: the first page comes with the subscription, the others are asked for."""
    items = found["items"]
    if not items.has_more:
        return list(items.data)
    listed = gateway.client.v1.subscription_items.list
    return gateway.ask(
        lambda: list(listed({"subscription": found.id, "limit": _PAGE}).auto_paging_iter())
    )


def amount_due(
    found: stripe.Subscription, items: Iterable[stripe.SubscriptionItem], *, next_period: datetime
) -> int:
    """Return what the next period costs, in pence, less the discounts that hold by then.

    Source: https://docs.stripe.com/billing/subscriptions/coupons
    """
    left = sum(
        (item.price.unit_amount or 0) * (getattr(item, "quantity", None) or 1) for item in items
    )
    for discount in found.discounts:
        if isinstance(discount, stripe.Discount) and _holds(discount, next_period):
            left -= min(left, _off(discount, left))
    return left


def _holds(discount: stripe.Discount, next_period: datetime) -> bool:
    """Whether a discount still applies when the next period begins."""
    ends = instant_or_none(discount.end)
    return ends is None or ends > next_period


def _off(discount: stripe.Discount, amount: int) -> int:
    coupon = discount.source.coupon
    if not isinstance(coupon, stripe.Coupon):
        return 0
    if coupon.percent_off is None:
        return coupon.amount_off or 0
    part = Decimal(amount) * Decimal(str(coupon.percent_off)) / 100
    return int(part.quantize(Decimal(1), ROUND_HALF_UP))
