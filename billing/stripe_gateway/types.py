"""What Stripe says, in our own small frozen types: only what we use, already in our units.

Instants are aware UTC, amounts minor units, absent strings ''. Where Stripe has moved a field
between versions, only `read` knows; nothing else in the program sees Stripe's shapes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from billing.models import Interval, PaymentStatus, RefundStatus, SubscriptionStatus


@dataclass(frozen=True, slots=True)
class StripeBalanceTransaction:
    """One movement of our balance at Stripe.

    Attributes:
        payment_intent_id: of the charge or refund it moves money for; '' for other movements.
    """

    id: str
    type: str
    reporting_category: str
    amount: int
    fee: int
    net: int
    currency: str
    source_id: str
    created: datetime
    available_on: datetime
    payment_intent_id: str = ""


@dataclass(frozen=True, slots=True)
class StripeRefund:
    """Money given back from one charge.

    Attributes:
        movements: the balance transactions of the refund, and of its failure if it failed later.
    """

    id: str
    status: RefundStatus
    amount: int
    currency: str
    reason: str
    created: datetime
    movements: tuple[StripeBalanceTransaction, ...]


@dataclass(frozen=True, slots=True)
class StripeCharge:
    """An attempt to take money."""

    id: str
    created: datetime
    paid: bool
    payer_name: str
    payer_email: str
    country: str
    method: str
    failure: str
    movement: StripeBalanceTransaction | None
    refunds: tuple[StripeRefund, ...]


@dataclass(frozen=True, slots=True)
class StripeInvoice:
    """What one period of a subscription costs.

    Attributes:
        metadata: the subscription's, as it was when the invoice was made.
        price_ids: of its lines.
        period_starts, period_ends: of its first subscription line.
        payment_intent_ids: every payment made or attempted for it.
    """

    id: str
    status: str
    amount_due: int
    amount_paid: int
    currency: str
    customer_id: str
    subscription_id: str
    metadata: Mapping[str, str]
    billing_reason: str
    attempt_count: int
    next_attempt: datetime | None
    hosted_url: str
    price_ids: tuple[str, ...]
    period_starts: datetime
    period_ends: datetime
    payment_intent_ids: tuple[str, ...] = ()

    @property
    def failing(self) -> bool:
        """Whether it was tried, and is still unpaid."""
        return self.status == "open" and self.attempt_count > 0


@dataclass(frozen=True, slots=True)
class StripePayment:
    """A payment intent, with its charge, its refunds and the invoice it pays, read together."""

    id: str
    status: PaymentStatus
    amount: int
    currency: str
    customer_id: str
    metadata: Mapping[str, str]
    created: datetime
    failure: str
    charge: StripeCharge | None
    invoice: StripeInvoice | None


@dataclass(frozen=True, slots=True)
class StripeSubscription:
    """A subscription. Both of Stripe's ways of writing a scheduled end arrive as `ends_on`."""

    id: str
    status: SubscriptionStatus
    customer_id: str
    metadata: Mapping[str, str]
    price_id: str
    amount: int
    currency: str
    interval: Interval
    started: datetime
    period_starts: datetime
    period_ends: datetime
    ends_on: datetime | None
    canceled_at: datetime | None
    ended_at: datetime | None
    ended_unpaid: bool


@dataclass(frozen=True, slots=True)
class StripeCheckoutSession:
    """One Checkout session.

    Attributes:
        status: open, complete or expired.
        payment_status: paid, unpaid or no_payment_required.
        url: where the reader pays; '' once it is not open.
    """

    id: str
    status: str
    payment_status: str
    client_reference_id: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    customer_id: str = ""
    payer_email: str = ""
    payer_name: str = ""
    payment_intent_id: str = ""
    subscription_id: str = ""
    invoice_id: str = ""

    @property
    def certain(self) -> bool:
        """Whether the money is there, or none was due: the moment to fulfil."""
        return self.status == "complete" and self.payment_status != "unpaid"
