"""Reading what moved at Stripe: charges, disputes, payouts, our account, and questions for staff.

As in `read`: `None` means Stripe has no such object, and every list is paged to its end.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import stripe

from billing.clock import accounting_day
from billing.models import DisputeStatus, PayoutStatus
from billing.money import Money
from billing.stripe_gateway.client import Gateway
from billing.stripe_gateway.told import may_be_told
from billing.stripe_gateway.types import (
    StripeAccount,
    StripeBalanceTransaction,
    StripeCharge,
    StripeDispute,
    StripePayout,
    StripeQuestion,
    StripeRefund,
)
from billing.stripe_gateway.values import id_of, instant, instant_or_none, text

_PAGE = 100
MOVEMENTS: Final = ("balance_transaction", "failure_balance_transaction")


def movement_of(found: Any, payment_id: str = "") -> StripeBalanceTransaction | None:
    """Write the SDK's balance transaction in our words; None for one that is not expanded.

    Args:
        found: the balance transaction, its id, or nothing.
        payment_id: what it moves money for, as `payment_named_by` names it.
    """
    if not isinstance(found, stripe.BalanceTransaction):
        return None
    return StripeBalanceTransaction(
        id=found.id,
        type=found.type,
        reporting_category=found.reporting_category,
        amount=found.amount,
        fee=found.fee,
        net=found.net,
        currency=found.currency,
        source_id=id_of(found.source),
        created=instant(found.created),
        available_on=instant(found.available_on),
        payment_intent_id=payment_id,
    )


def movements_of(found: Any, payment_id: str = "") -> tuple[StripeBalanceTransaction, ...]:
    """Return what something moved, and moved back as it failed; both must be expanded."""
    moved = (movement_of(getattr(found, name, None), payment_id) for name in MOVEMENTS)
    return tuple(each for each in moved if each)


def payment_named_by(source: Any) -> str:
    """Return the payment a charge, refund or dispute belongs to; '' for what belongs to none.

    It is the payment intent, or the charge itself where money was taken without an intent.
    """
    if source is None or isinstance(source, str):
        return ""
    if source.object == "charge":
        return id_of(getattr(source, "payment_intent", None)) or id_of(source)
    return id_of(getattr(source, "payment_intent", None)) or id_of(getattr(source, "charge", None))


def charges(gateway: Gateway, payment_intent_id: str) -> list[stripe.Charge]:
    """Read every attempt to take the money of a payment intent, newest first."""
    return gateway.ask(
        lambda: list(
            gateway.client.v1.charges.list(
                {
                    "payment_intent": payment_intent_id,
                    "limit": _PAGE,
                    "expand": [f"data.{name}" for name in MOVEMENTS],
                }
            ).auto_paging_iter()
        )
    )


def charge(gateway: Gateway, charge_id: str) -> stripe.Charge | None:
    """Read one charge with what it moved."""
    return gateway.ask_for(
        lambda: gateway.client.v1.charges.retrieve(charge_id, {"expand": list(MOVEMENTS)})
    )


def charge_of(
    found: stripe.Charge, payment_id: str, refunds: tuple[StripeRefund, ...]
) -> StripeCharge:
    """Write the SDK's charge in our words; what it moved must be expanded."""
    payer = found.billing_details
    address = payer.address
    return StripeCharge(
        id=found.id,
        created=instant(found.created),
        paid=found.paid,
        payer_name=text(payer.name),
        payer_email=text(payer.email or found.receipt_email).lower(),
        country=text(address.country if address else None),
        method=_method(found.payment_method_details),
        failure=text(found.failure_message),
        movement=movement_of(found.balance_transaction, payment_id),
        refunds=refunds,
        mandate_id=_mandate(found.payment_method_details),
    )


def _method(details: stripe.Charge.PaymentMethodDetails | None) -> str:
    """Say how it was paid: "Visa ending 4242". A charge has the details of its own means alone."""
    card, account = getattr(details, "card", None), getattr(details, "bacs_debit", None)
    if card:
        return f"{text(card.brand).title()} ending {text(card.last4)}"
    if account:
        return f"Bank account ending {text(account.last4)}"
    return details.type.replace("_", " ") if details else ""


def _mandate(details: stripe.Charge.PaymentMethodDetails | None) -> str:
    debit = getattr(details, "bacs_debit", None)
    return id_of(getattr(debit, "mandate", None))


@may_be_told
def dispute(gateway: Gateway, dispute_id: str) -> StripeDispute | None:
    """Read one dispute with what it moved."""
    found = gateway.ask_for(lambda: gateway.client.v1.disputes.retrieve(dispute_id))
    return None if found is None else dispute_of(found)


def dispute_of(found: stripe.Dispute) -> StripeDispute:
    """Write the SDK's dispute in our words."""
    payment_id = payment_named_by(found)
    moved = (movement_of(each, payment_id) for each in found.balance_transactions)
    try:
        status = DisputeStatus(found.status)
    except ValueError:
        status = DisputeStatus.UNKNOWN
    return StripeDispute(
        id=found.id,
        status=status,
        word=found.status,
        reason=found.reason,
        amount=found.amount,
        currency=found.currency,
        charge_id=id_of(found.charge),
        payment_intent_id=payment_id,
        due_by=instant_or_none(found.evidence_details.due_by),
        created=instant(found.created),
        movements=tuple(each for each in moved if each),
    )


@may_be_told
def payout(gateway: Gateway, payout_id: str) -> StripePayout | None:
    """Read one payout, and once Stripe can say so, all that it is made of.

    Source: https://docs.stripe.com/payouts/reconciliation
    """
    found = gateway.ask_for(
        lambda: gateway.client.v1.payouts.retrieve(payout_id, {"expand": list(MOVEMENTS)})
    )
    if found is None:
        return None
    listed = found.automatic and found.reconciliation_status == "completed"
    return payout_of(found, contents=_contents(gateway, payout_id) if listed else None)


def payout_of(
    found: stripe.Payout, *, contents: tuple[StripeBalanceTransaction, ...] | None
) -> StripePayout:
    """Write the SDK's payout in our words; what it moved must be expanded."""
    try:
        status = PayoutStatus(found.status)
    except ValueError:
        status = PayoutStatus.UNKNOWN
    return StripePayout(
        id=found.id,
        status=status,
        word=found.status,
        amount=found.amount,
        currency=found.currency,
        automatic=found.automatic,
        arrives_on=accounting_day(instant(found.arrival_date)),
        failure=text(found.failure_message) or text(found.failure_code),
        created=instant(found.created),
        movements=movements_of(found),
        contents=contents,
    )


def _contents(gateway: Gateway, payout_id: str) -> tuple[StripeBalanceTransaction, ...]:
    """Read what a payout is made of, oldest first. Stripe lists the payout's own movement too."""
    found = gateway.ask(
        lambda: list(
            gateway.client.v1.balance_transactions.list(
                {"payout": payout_id, "limit": _PAGE, "expand": ["data.source"]}
            ).auto_paging_iter()
        )
    )
    moved = (movement_of(each, payment_named_by(each.source)) for each in reversed(found))
    return tuple(each for each in moved if each and each.source_id != payout_id)


def account(gateway: Gateway) -> StripeAccount:
    """Read our own account."""
    found = gateway.ask(gateway.client.v1.accounts.retrieve_current)
    requirements = getattr(found, "requirements", None)
    return StripeAccount(
        id=found.id,
        charges_enabled=found.charges_enabled is not False,
        payouts_enabled=found.payouts_enabled is not False,
        reason=text(getattr(requirements, "disabled_reason", None)),
    )


def question(gateway: Gateway, object_id: str) -> StripeQuestion | None:
    """Read something at Stripe that only a person can answer; None for what we know no words for.

    An early fraud warning, a review and a credit note are told apart by the form of their ids.
    """
    prefix = object_id.partition("_")[0]
    read = _QUESTIONS.get(prefix)
    return None if read is None else read(gateway, object_id)


def _early_fraud_warning(gateway: Gateway, object_id: str) -> StripeQuestion | None:
    warnings = gateway.client.v1.radar.early_fraud_warnings
    found = gateway.ask_for(lambda: warnings.retrieve(object_id))
    if found is None:
        return None
    detail = f"The card's bank calls a payment fraudulent ({found.fraud_type})."
    return StripeQuestion(
        found.id, "early-fraud-warning", detail, payment_named_by(found), open=found.actionable
    )


def _review(gateway: Gateway, object_id: str) -> StripeQuestion | None:
    found = gateway.ask_for(lambda: gateway.client.v1.reviews.retrieve(object_id))
    if found is None:
        return None
    detail = f"Stripe asks for a payment to be reviewed ({found.reason})."
    return StripeQuestion(found.id, "review", detail, payment_named_by(found), open=found.open)


def _credit_note(gateway: Gateway, object_id: str) -> StripeQuestion | None:
    found = gateway.ask_for(lambda: gateway.client.v1.credit_notes.retrieve(object_id))
    if found is None:
        return None
    total = Money(found.total, found.currency)
    detail = f"Credit note {found.number} over {total} was written for an invoice."
    issued = found.status == "issued"
    return StripeQuestion(found.id, "credit-note", detail, id_of(found.invoice), open=issued)


_QUESTIONS: Final[Mapping[str, Callable[[Gateway, str], StripeQuestion | None]]] = {
    "issfr": _early_fraud_warning,
    "prv": _review,
    "cn": _credit_note,
}
