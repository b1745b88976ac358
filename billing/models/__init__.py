"""Nouns: every table, and nothing that acts.

Models point from child to parent; lists are queries in the room of the verb that needs them.
"""

from billing.models.base import OwedState
from billing.models.catalogue import Interval, Price
from billing.models.checkout import (
    Checkout,
    CheckoutKind,
    CheckoutStatus,
    Command,
    CommandState,
    ObjectLease,
)
from billing.models.ledger import Account, AccountKind, JournalEntry, Posting
from billing.models.payment import (
    BalanceTransaction,
    Donation,
    Payment,
    PaymentPurpose,
    PaymentStatus,
    Receipt,
    ReceiptSeries,
    Refund,
    RefundStatus,
)
from billing.models.reader import (
    Audience,
    Customer,
    Reader,
    Role,
    SignInRequest,
    Staff,
    WebSession,
)
from billing.models.subscription import (
    Entitlement,
    EntitlementSource,
    MeterRead,
    Subscription,
    SubscriptionStatus,
)
from billing.models.work import (
    AuditRecord,
    Cursor,
    Heartbeat,
    OutboxMessage,
    RateLimit,
    Schedule,
    StripeEvent,
    Task,
)

__all__ = [
    "Account",
    "AccountKind",
    "Audience",
    "AuditRecord",
    "BalanceTransaction",
    "Checkout",
    "CheckoutKind",
    "CheckoutStatus",
    "Command",
    "CommandState",
    "Cursor",
    "Customer",
    "Donation",
    "Entitlement",
    "EntitlementSource",
    "Heartbeat",
    "Interval",
    "JournalEntry",
    "MeterRead",
    "ObjectLease",
    "OutboxMessage",
    "OwedState",
    "Payment",
    "PaymentPurpose",
    "PaymentStatus",
    "Posting",
    "Price",
    "RateLimit",
    "Reader",
    "Receipt",
    "ReceiptSeries",
    "Refund",
    "RefundStatus",
    "Role",
    "Schedule",
    "SignInRequest",
    "Staff",
    "StripeEvent",
    "Subscription",
    "SubscriptionStatus",
    "Task",
    "WebSession",
]
