"""The table: which events we are sent, and which object each tells us to look at again.

What an event is called never decides what happens; what its object is, when read again, does. So
it does no harm to be told twice, late, or by two events of one fact. Stripe is asked for exactly
these types; what comes besides is kept, and answered as everything is.
"""

from collections.abc import Callable, Mapping
from typing import Final

from billing.reconciliation import Subject
from webhooks.event import Event
from webhooks.handlers import (
    account,
    catalogue,
    checkout,
    customers,
    invoices,
    payments,
    subscriptions,
)
from webhooks.handlers.naming import IgnoredError, ignored

__all__ = ["HANDLERS", "TYPES", "IgnoredError", "subject_of"]

Handler = Callable[[Event], Subject]

HANDLERS: Final[Mapping[str, Handler]] = {
    # A checkout reached its end. The reader who comes back may be first; both end in `settle`.
    "checkout.session.completed": checkout.ended,
    # Bank debits: agreed at `completed`, certain or refused only days later.
    "checkout.session.async_payment_succeeded": checkout.ended,
    "checkout.session.async_payment_failed": checkout.ended,
    # Frees the reader to begin another.
    "checkout.session.expired": checkout.ended,
    # The subscription's life. One handler: each of these means "look again".
    "customer.subscription.created": subscriptions.changed,
    "customer.subscription.updated": subscriptions.changed,
    "customer.subscription.deleted": subscriptions.changed,
    "customer.subscription.paused": subscriptions.changed,
    "customer.subscription.resumed": subscriptions.changed,
    # Three days before, or at once where the trial is shorter.
    "customer.subscription.trial_will_end": subscriptions.changed,
    # A change that waits for the cardholder's bank: the old terms stand until it is applied.
    "customer.subscription.pending_update_applied": subscriptions.changed,
    "customer.subscription.pending_update_expired": subscriptions.changed,
    # A schedule changes its subscription at a date; what it did stands on the subscription.
    "subscription_schedule.created": subscriptions.schedule_changed,
    "subscription_schedule.updated": subscriptions.schedule_changed,
    "subscription_schedule.expiring": subscriptions.schedule_changed,
    "subscription_schedule.completed": subscriptions.schedule_changed,
    "subscription_schedule.released": subscriptions.schedule_changed,
    "subscription_schedule.canceled": subscriptions.schedule_changed,
    "subscription_schedule.aborted": subscriptions.schedule_changed,
    "entitlements.active_entitlement_summary.updated": ignored(
        "who may read is decided here, from subscriptions; Stripe's own list is not asked"
    ),
    # Tells of a renewal before there is an invoice, so it has no id; the subscription has.
    "invoice.upcoming": subscriptions.renews_soon,
    # With automatic collection Stripe finalises it by itself, and says so.
    "invoice.created": ignored("a draft; Stripe tells when it is final"),
    "invoice.finalized": invoices.changed,
    # It can be neither sent nor paid until a person has put something right.
    "invoice.finalization_failed": invoices.changed,
    # A renewal was paid or failed. `invoice.paid` and not `payment_succeeded`: only the former
    # comes for invoices of nothing, and for those settled by credit or outside Stripe.
    "invoice.paid": invoices.changed,
    "invoice.payment_failed": invoices.changed,
    # The cardholder's bank asks for the cardholder.
    "invoice.payment_action_required": invoices.changed,
    "invoice.payment_attempt_required": invoices.changed,
    # No more is asked for it, though what was given up may still be paid.
    "invoice.voided": invoices.changed,
    "invoice.marked_uncollectible": invoices.changed,
    "invoice.deleted": invoices.changed,
    # Branches and libraries pay by transfer, some late, some too much.
    "invoice.sent": invoices.changed,
    "invoice.will_be_due": invoices.changed,
    "invoice.overdue": invoices.changed,
    "invoice.overpaid": invoices.changed,
    # Which payment paid which invoice: there may be several to one.
    "invoice_payment.paid": invoices.paid_by,
    # Says that less was owed than the invoice said; money moves only by a refund. What it takes
    # off receivables waits for the books to have any.
    "credit_note.created": payments.asked,
    "credit_note.updated": payments.asked,
    "credit_note.voided": payments.asked,
    # Gifts have no invoice: their payment intent is all there is. None of these is final but
    # `succeeded` and `canceled`; a failed one may yet be paid. What is under way is no entry yet.
    "payment_intent.processing": payments.intent_changed,
    "payment_intent.requires_action": payments.intent_changed,
    "payment_intent.succeeded": payments.intent_changed,
    "payment_intent.payment_failed": payments.intent_changed,
    "payment_intent.canceled": payments.intent_changed,
    # The charge behind a payment. `updated` is often the first to know the fee.
    "charge.succeeded": payments.charge_changed,
    "charge.failed": payments.charge_changed,
    "charge.pending": payments.charge_changed,
    "charge.updated": payments.charge_changed,
    "charge.captured": payments.charge_changed,
    "charge.expired": payments.charge_changed,
    # Money going back, and coming back when a refund fails; all refunds are read with their
    # payment. Old endpoints know only the last two.
    "refund.created": payments.charge_changed,
    "refund.updated": payments.charge_changed,
    "refund.failed": payments.charge_changed,
    "charge.refund.updated": payments.charge_changed,
    "charge.refunded": payments.charge_changed,
    # The payer's bank takes money back, or asks first; any of these may be the only one we hear.
    "charge.dispute.created": payments.disputed,
    "charge.dispute.updated": payments.disputed,
    "charge.dispute.funds_withdrawn": payments.disputed,
    "charge.dispute.funds_reinstated": payments.disputed,
    "charge.dispute.closed": payments.disputed,
    # A dispute announces itself; a refund in time spares its fee.
    "radar.early_fraud_warning.created": payments.asked,
    "radar.early_fraud_warning.updated": payments.asked,
    "review.opened": payments.asked,
    "review.closed": payments.asked,
    # On its way to the bank. Only with the last can Stripe list what a payout is made of.
    "payout.created": account.paid_out,
    "payout.updated": account.paid_out,
    "payout.paid": account.paid_out,
    "payout.failed": account.paid_out,
    "payout.canceled": account.paid_out,
    "payout.reconciliation_completed": account.paid_out,
    # Our balance moved, by a way that is no payment of a reader's.
    "balance.available": account.balance_moved,
    "topup.created": account.balance_moved,
    "topup.succeeded": account.balance_moved,
    "topup.failed": account.balance_moved,
    "topup.canceled": account.balance_moved,
    "topup.reversed": account.balance_moved,
    "transfer.created": account.balance_moved,
    "transfer.updated": account.balance_moved,
    "transfer.reversed": account.balance_moved,
    # Somebody at Stripe's dashboard changed what is on sale.
    "price.created": catalogue.changed,
    "price.updated": catalogue.changed,
    "price.deleted": catalogue.changed,
    "product.created": catalogue.changed,
    "product.updated": catalogue.changed,
    "product.deleted": catalogue.changed,
    # What a reader pays stands on their subscription, whatever becomes of the code they used.
    "coupon.created": ignored("a discount decides nothing until it stands on a subscription"),
    "coupon.updated": ignored("a discount decides nothing until it stands on a subscription"),
    "coupon.deleted": ignored("a discount decides nothing until it stands on a subscription"),
    "promotion_code.created": ignored("a code decides nothing until somebody pays with it"),
    "promotion_code.updated": ignored("a code decides nothing until somebody pays with it"),
    # Stripe may stop taking or paying out money, and says so nowhere else.
    "account.updated": account.changed,
    "capability.updated": account.changed,
    # The same, in the newer words, which only an event destination is sent.
    "v2.core.account.closed": account.changed,
    "v2.core.account[requirements].updated": account.changed,
    "v2.core.account[future_requirements].updated": account.changed,
    # Who pays, and what from. A deleted customer is never used again.
    "customer.created": customers.changed,
    "customer.updated": customers.changed,
    "customer.deleted": customers.changed,
    # A card is given, let go, or replaced by its bank without anybody asking.
    "payment_method.attached": customers.method_changed,
    "payment_method.detached": customers.method_changed,
    "payment_method.updated": customers.method_changed,
    "payment_method.automatically_updated": customers.method_changed,
    "customer.source.expiring": customers.method_changed,
    "setup_intent.succeeded": customers.method_set_up,
    "setup_intent.setup_failed": ignored("nothing was set up, and its page says so to the reader"),
    # A bank has ended a Direct Debit: the next one would fail, and cost a fee.
    "mandate.updated": customers.mandate_changed,
    # Pages a reader or the staff opened at Stripe; what is done there tells of itself.
    "billing_portal.configuration.created": ignored("how a page at Stripe looks"),
    "billing_portal.configuration.updated": ignored("how a page at Stripe looks"),
    "billing_portal.session.created": ignored("a page was opened; what is done there is told"),
    # We keep no tax ids: what is sold here is zero-rated, and a gift is no sale.
    "customer.tax_id.created": ignored("no tax id decides anything here"),
    "customer.tax_id.updated": ignored("no tax id decides anything here"),
    "customer.tax_id.deleted": ignored("no tax id decides anything here"),
    # Test mode alone; what falls due by a moved clock tells of itself.
    "test_helpers.test_clock.created": ignored("a clock of Stripe's test mode"),
    "test_helpers.test_clock.advancing": ignored("a clock of Stripe's test mode"),
    "test_helpers.test_clock.ready": ignored("a clock of Stripe's test mode"),
    "test_helpers.test_clock.internal_failure": ignored("a clock of Stripe's test mode"),
    "test_helpers.test_clock.deleted": ignored("a clock of Stripe's test mode"),
}
# What a webhook endpoint may be sent. Source: https://docs.stripe.com/event-destinations
TYPES: Final = tuple(each for each in HANDLERS if not each.startswith("v2."))


def subject_of(event: Event) -> Subject:
    """Return what an event tells us to look at again.

    Raises:
        IgnoredError: nothing; its text is the reason.
    """
    handler = HANDLERS.get(event.type)
    if handler is None:
        raise IgnoredError("not a type we act on")
    return handler(event)
