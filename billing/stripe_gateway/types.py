"""What Stripe says, in our own small frozen types: only what we use, already in our units.

Instants are aware UTC, amounts minor units, absent strings ''. Where Stripe has moved a field
between versions, only `read` knows; nothing else in the program sees Stripe's shapes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from billing.models import (
    DisputeStatus,
    Interval,
    PaymentStatus,
    PayoutStatus,
    RefundStatus,
    SubscriptionStatus,
)


@dataclass(frozen=True, slots=True)
class StripeBalanceTransaction:
    """One movement of our balance at Stripe.

    Attributes:
        payment_intent_id: of the charge, refund or dispute it moves money for, or the charge itself
            where that has no intent; '' for other movements.
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
    """An attempt to take money.

    Attributes:
        mandate_id: the permission a bank account was debited by; '' for cards.
    """

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
    mandate_id: str = ""


@dataclass(frozen=True, slots=True)
class StripeInvoice:
    """What one period of a subscription costs.

    Attributes:
        metadata: the subscription's, as it was when the invoice was made.
        price_ids: of its lines, those for a whole period first.
        period_starts, period_ends: of its lines for a whole period; where it has none, of all.
        payment_intent_ids: every payment made or attempted for it.
        processing: a bank works on its payment, and nobody knows yet how that ends.
        action_needed: the payer's bank wants them to confirm the payment.
        failed_charge: Stripe's id of the newest attempt, where that failed; '' for none.
        stuck: why Stripe could not make it final, while it cannot; '' otherwise.
        overpaid: what was paid beyond it, in pence.
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
    processing: bool = False
    action_needed: bool = False
    failed_charge: str = ""
    stuck: str = ""
    overpaid: int = 0

    @property
    def failing(self) -> bool:
        """Whether it was tried in vain: unpaid, and no bank works on it."""
        return self.status == "open" and self.attempt_count > 0 and not self.processing


@dataclass(frozen=True, slots=True)
class StripePayment:
    """A payment intent, with its charge, its refunds and the invoice it pays, read together.

    Attributes:
        id: of the payment intent, or of the charge where money was taken without an intent.
        charge: the latest attempt; of several, the one that succeeded.
        movements: what every attempt moved, those among them that failed after they had succeeded.
    """

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
    movements: tuple[StripeBalanceTransaction, ...] = ()


@dataclass(frozen=True, slots=True)
class StripeDispute:
    """A payer's bank takes money back, or asks about it first.

    Attributes:
        word: the status as Stripe writes it, for one we do not know.
        payment_intent_id: what is disputed; the charge itself where that has no intent.
        due_by: until when it may be answered; None where nothing can be.
        movements: what was taken and what was given back: none, one or two.
    """

    id: str
    status: DisputeStatus
    word: str
    reason: str
    amount: int
    currency: str
    charge_id: str
    payment_intent_id: str
    due_by: datetime | None
    created: datetime
    movements: tuple[StripeBalanceTransaction, ...]


@dataclass(frozen=True, slots=True)
class StripePayout:
    """Money on its way between Stripe and our bank; below zero when it is taken from there.

    Attributes:
        word: the status as Stripe writes it, for one we do not know.
        movements: the payout's own, and the one that brought it back when it failed.
        contents: the movements it is made of; None where Stripe cannot list them, or not yet.
    """

    id: str
    status: PayoutStatus
    word: str
    amount: int
    currency: str
    automatic: bool
    arrives_on: date
    failure: str
    created: datetime
    movements: tuple[StripeBalanceTransaction, ...]
    contents: tuple[StripeBalanceTransaction, ...] | None


@dataclass(frozen=True, slots=True)
class StripeAccount:
    """Our own account.

    Attributes:
        reason: Stripe's word for why something is disabled; '' where nothing is.
    """

    id: str
    charges_enabled: bool
    payouts_enabled: bool
    reason: str


@dataclass(frozen=True, slots=True)
class StripeQuestion:
    """Something Stripe says that only a person can answer.

    Attributes:
        kind: of the task for staff.
        detail: what has happened, in a sentence.
        about: the payment or invoice.
        open: whether there is still something to do.
    """

    id: str
    kind: str
    detail: str
    about: str
    open: bool


@dataclass(frozen=True, slots=True)
class StripeSubscription:
    """A subscription. Both of Stripe's ways of writing a scheduled end arrive as `ends_on`.

    Attributes:
        price_ids: of its items, in their order.
        amount: what the next period costs, after quantities and the discounts that still hold.
        period_starts, period_ends: of the items' current periods, the first and the last.
        ends_with_period: its end is written as that of its period; or else as a date.
        period_paid: the current period is paid.
        paid_until: the end of the last period that is paid; the start of one never paid for.
        overdue_since: since when nothing is paid that is owed; of who has never paid, since the
            first of all was due. None where nothing is owed.
        collection_paused: Stripe makes its invoices but takes no money for them.
        at_bank_until: the end of the last unpaid period that a bank works on, and nobody knows yet
            how that ends; None where none does.
        paused_at: since when its status has been `paused`.
        payment_method_id: its own; '' where the customer's is used.
        pay_url: Stripe's page for the newest invoice that waits for its payer; '' for none.
        next_amount: what its next invoice asks for, where Stripe was asked for that; else None.
    """

    id: str
    status: SubscriptionStatus
    customer_id: str
    metadata: Mapping[str, str]
    price_ids: tuple[str, ...]
    amount: int
    currency: str
    interval: Interval
    started: datetime
    period_starts: datetime
    period_ends: datetime
    paid_until: datetime
    ends_on: datetime | None
    canceled_at: datetime | None
    ended_at: datetime | None
    ended_unpaid: bool
    ends_with_period: bool = False
    period_paid: bool = True
    overdue_since: datetime | None = None
    collection_paused: bool = False
    at_bank_until: datetime | None = None
    paused_at: datetime | None = None
    payment_method_id: str = ""
    pay_url: str = ""
    next_amount: int | None = None


@dataclass(frozen=True, slots=True)
class StripeCustomer:
    """Stripe's record of a payer.

    Attributes:
        balance: what Stripe sets against the next invoice, in pence: below zero, a credit.
        payment_method_id: what invoices are paid from unless a subscription has its own.
    """

    id: str
    balance: int
    payment_method_id: str


@dataclass(frozen=True, slots=True)
class StripePaymentMethod:
    """A card, or a bank account.

    Attributes:
        kind: Stripe's word, such as `card` or `bacs_debit`.
        label: as a person knows it, such as "Visa ending 4242".
        expires_on: the last day of a card.
    """

    id: str
    customer_id: str
    kind: str
    label: str
    expires_on: date | None


@dataclass(frozen=True, slots=True)
class StripeMandate:
    """The permission to debit a bank account.

    Attributes:
        status: active, pending or inactive.
    """

    id: str
    status: str
    payment_method_id: str


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
