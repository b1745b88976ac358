"""What happens to money at Stripe, and what a person asks of it: refunds, payouts, strange sums."""

import contextlib
from typing import Any

import sqlalchemy as sa

from billing import checkout, payments, reconciliation, subscriptions
from billing.errors import BillingError
from billing.models import Payment, Subscription
from billing.money import Money
from billing.tasks import open_tasks
from tests.chaos import ours
from tests.chaos.scenes import parts
from tests.chaos.scenes.ends import as_if_nobody_had_been_killed_by_events_alone
from tests.chaos.scenes.scene import Scene
from tests.chaos.world import World


def money_is_given_back(world: World) -> None:
    """Give back a part by our own command, and a part in Stripe's dashboard."""
    intent = _refund(world)
    charge = world.stripe.client.v1.payment_intents.retrieve(intent).latest_charge
    world.stripe.client.v1.refunds.create({"charge": str(charge), "amount": 1_00})
    parts.hear(world)


def a_refund_is_never_answered(world: World) -> None:
    """Ask for refunds whose answers are lost, and learn a day later what became of each."""
    for after_effect in (True, False):
        parts.lose_answers(world, after_effect=after_effect)
        with contextlib.suppress(BillingError):
            _refund(world)
        world.stripe.advance(seconds=25 * 3600)
        reconciliation.finish_commands(world.context)


def _refund(world: World) -> str:
    intent, _ = ours.paid(world.context)[0]
    payments.refund(world.context, intent, amount=Money(1_00), actor="crash", reason="crash")
    return intent


def money_is_paid_out(world: World) -> None:
    """Let a week pass in which a dispute is opened, won, and the rest paid out to the bank."""
    world.stripe.pay(parts.give(world).url, parts.DISPUTED)
    parts.hear(world)
    world.stripe.advance(days=8)
    world.deliver(parts.said(world))
    ours.work_off(world.context)
    reconciliation.poll_balance_transactions(world.context)


def the_shop_sells_something(world: World) -> None:
    """Let another system on the account take money, and take some without a payment intent."""
    for _ in range(2):
        _sell_a_mug(world)
    world.stripe.rewrite(parts.newest(world, "charge")["id"], payment_intent=None)
    reconciliation.poll_balance_transactions(world.context)
    parts.hear(world)


def _sell_a_mug(world: World) -> None:
    line: Any = {
        "price_data": {"currency": "gbp", "unit_amount": 12_00, "product_data": {"name": "Mug"}},
        "quantity": 1,
    }
    params: Any = {"mode": "payment", "line_items": [line], "success_url": "https://shop.uk/"}
    page = world.stripe.client.v1.checkout.sessions.create(params)
    world.stripe.pay(str(page.url))


def only_a_person_can_answer(world: World) -> None:
    """Hear of a warning, a review and a credit note, each of which asks the staff."""
    parts.hear_all(world)


def _stripe_asks(world: World) -> None:
    parts.a_subscriber(world)
    charge, invoice = (parts.newest(world, kind)["id"] for kind in ("charge", "invoice"))
    world.stripe.control(f"charges/{charge}/warn", fraud_type="made_with_stolen_card")
    world.stripe.control(f"charges/{charge}/review")
    world.stripe.control(f"invoices/{invoice}/credit", amount=1_00)


def _the_staff_are_asked(world: World) -> None:
    as_if_nobody_had_been_killed_by_events_alone(world)
    with world.context.db.reading() as session:
        asked = sorted(task.kind for task in open_tasks(session))
    assert asked == ["credit-note", "early-fraud-warning", "review"], asked


def a_subscription_has_many_items(world: World) -> None:
    """Read a subscription and an invoice of which Stripe's first page does not show all."""
    context = world.context
    stripe_id = parts.one(world, sa.select(Subscription.stripe_subscription_id))
    invoice = parts.newest(world, "invoice")["id"]
    world.stripe.rewrite(stripe_id, items__has_more=True)
    world.stripe.rewrite(invoice, lines__has_more=True)
    subscriptions.look_again(context, stripe_id)
    checkout.look_at_invoice(context, invoice)
    intent = parts.one(world, sa.select(Payment.stripe_payment_intent_id))
    checkout.look_at_payment(context, intent)


SCENES = (
    Scene(money_is_given_back, before=parts.a_giver),
    Scene(a_refund_is_never_answered, before=parts.a_giver),
    Scene(money_is_paid_out),
    Scene(the_shop_sells_something),
    Scene(only_a_person_can_answer, before=_stripe_asks, end=_the_staff_are_asked),
    Scene(a_subscription_has_many_items, before=parts.a_subscriber),
)
