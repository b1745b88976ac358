"""Reading Stripe's records of payers: customers, what they pay from, and their mandates.

`None` means Stripe has no such object (any more). An e-mail address is not read: anybody may type
any address on Stripe's page, so it says nothing about who somebody is.
"""

from datetime import date, timedelta

import stripe

from billing.clock import next_month
from billing.stripe_gateway.client import Gateway
from billing.stripe_gateway.told import may_be_told
from billing.stripe_gateway.types import StripeCustomer, StripeMandate, StripePaymentMethod
from billing.stripe_gateway.values import id_of, text


@may_be_told
def customer(gateway: Gateway, customer_id: str) -> StripeCustomer | None:
    """Read one customer. Of a deleted one Stripe says so, and nothing else.

    Source: https://docs.stripe.com/api/customers/delete
    """
    found = gateway.ask_for(lambda: gateway.client.v1.customers.retrieve(customer_id))
    return None if found is None else customer_of(found)


def customer_of(found: stripe.Customer) -> StripeCustomer | None:
    """Write the SDK's customer in our words; None for a deleted one."""
    if getattr(found, "deleted", None) is True:
        return None
    settings = found.invoice_settings
    return StripeCustomer(
        id=found.id,
        balance=found.balance or 0,
        payment_method_id=id_of(settings.default_payment_method) if settings else "",
    )


@may_be_told
def payment_method(gateway: Gateway, payment_method_id: str) -> StripePaymentMethod | None:
    """Read one card or bank account."""
    methods = gateway.client.v1.payment_methods
    found = gateway.ask_for(lambda: methods.retrieve(payment_method_id))
    return None if found is None else payment_method_of(found)


def payment_method_of(found: stripe.PaymentMethod) -> StripePaymentMethod:
    """Write the SDK's payment method in our words."""
    card = getattr(found, "card", None)
    return StripePaymentMethod(
        id=found.id,
        customer_id=id_of(found.customer),
        kind=found.type,
        label=_label(found),
        expires_on=_last_day(card.exp_year, card.exp_month) if card else None,
    )


def _label(found: stripe.PaymentMethod) -> str:
    card, account = getattr(found, "card", None), getattr(found, "bacs_debit", None)
    if card:
        return f"{text(card.brand).title()} ending {text(card.last4)}"
    if account:
        return f"Bank account ending {text(account.last4)}"
    return found.type.replace("_", " ").capitalize()


def _last_day(year: int, month: int) -> date:
    return next_month(date(year, month, 1)) - timedelta(days=1)


@may_be_told
def mandate(gateway: Gateway, mandate_id: str) -> StripeMandate | None:
    """Read the permission to debit one bank account."""
    found = gateway.ask_for(lambda: gateway.client.v1.mandates.retrieve(mandate_id))
    if found is None:
        return None
    return StripeMandate(
        id=found.id, status=found.status, payment_method_id=id_of(found.payment_method)
    )
