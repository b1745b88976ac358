"""What readers do: subscribe, give, change their minds, look after their account, read."""

import contextlib
from dataclasses import replace
from typing import Any

import httpx2
import sqlalchemy as sa

from billing import access, reconciliation, sign_in, subscriptions
from billing.access import Reason
from billing.checkout import settle
from billing.context import Context
from billing.errors import StripeRefusedError, StripeUnavailableError
from billing.models import Entitlement, ReaderLook
from tests.chaos import ours
from tests.chaos.scenes import parts
from tests.chaos.scenes.scene import Scene
from tests.chaos.world import World
from tests.support.asking import ask_the_wall
from tests.support.walls import process


def somebody_subscribes(world: World) -> None:
    """Subscribe and come back; some of what Stripe says is heard."""
    parts.subscribed(world)
    parts.hear(world)


def somebody_begins_twice(world: World) -> None:
    """Begin twice in one browser; it is the second that is paid."""
    other = parts.subscribe(world)
    again = parts.subscribe(world, browser=other.browser, price=parts.CONCESSION)
    world.stripe.pay(again.url)
    parts.hear(world)


def somebody_gives(world: World) -> None:
    """Be declined, give, and dispute it later."""
    parts.given(world)
    for card in (parts.DECLINED, parts.DISPUTED):
        world.stripe.pay(parts.give(world).url, card)
    parts.hear(world)


def a_bank_pays(world: World) -> None:
    """Give by a debit, which takes its days, and subscribe by one that ends."""
    for started in (parts.give(world), parts.subscribe(world)):
        world.stripe.fill_in(started.url, parts.BANK, email="bank@x.uk", by="bacs_debit")
        parts.come_back(world, started)
    parts.hear(world)
    mandate = parts.newest(world, "mandate")["id"]
    world.stripe.try_control(f"mandates/{mandate}/cancel")
    world.stripe.advance(days=8)
    parts.hear(world)
    reconciliation.poll_unfinished(world.context)


def a_subscriber_looks_after_it(world: World) -> None:
    """End it, keep it, and pay from another card, though no webhook comes."""
    context = world.context
    reader_id, subscription_id = ours.subscriptions(context)[0]
    theirs = {"reader_id": reader_id, "subscription_id": subscription_id}
    subscriptions.cancel_at_period_end(context, **theirs)
    subscriptions.keep(context, **theirs)
    portal = subscriptions.change_page(context, **theirs)
    card = {"number": parts.GOOD, "expiry": "12/40", "cvc": "123", "name": "Gwen"}
    place = {"country": "GB", "postal_code": "CR0 1BD"}
    form = {**card, **place, "act": "payment_method_update"}
    assert httpx2.post(portal, data=form, timeout=30).is_redirect
    subscriptions.come_back(context, **theirs)


def a_renewal_fails(world: World) -> None:
    """Owe a period, and then another; be asked for it, and pay where Stripe says."""
    context = world.context
    world.stripe.advance(days=33, seconds=5 * 3600)
    parts.hear(world)
    reader_id, subscription_id = ours.subscriptions(context)[0]
    subscriptions.pay_page(context, reader_id=reader_id, subscription_id=subscription_id)


def _who_fails_later(world: World) -> None:
    parts.an_open_paper(world)
    parts.subscribed(world, parts.FAILS_LATER)


def a_price_is_swapped(world: World) -> None:
    """Be moved to another price in the dashboard, which is invoiced at once."""
    prices = {doc["lookup_key"]: doc["id"] for doc in world.objects() if doc["object"] == "price"}
    theirs = parts.newest(world, "subscription")
    item: Any = {"id": theirs["items"]["data"][0]["id"], "price": prices[parts.CONCESSION]}
    world.stripe.client.v1.subscriptions.update(
        theirs["id"], {"items": [item], "proration_behavior": "always_invoice"}
    )
    parts.hear(world)


def a_customer_was_deleted(world: World) -> None:
    """Give as a reader whose customer somebody has deleted at Stripe."""
    customer = parts.newest(world, "customer")["id"]
    world.stripe.client.v1.customers.delete(customer)
    (reader_id,) = ours.readers(world.context)
    world.stripe.pay(parts.give(world, reader_id=reader_id).url)
    parts.hear(world)


def a_price_was_taken_off_sale(world: World) -> None:
    """Begin at a price that somebody has ended at Stripe, and be refused."""
    price = next(
        doc["id"]
        for doc in world.objects()
        if doc["object"] == "price" and doc["lookup_key"] == parts.MONTHLY
    )
    world.stripe.client.v1.prices.update(price, {"active": False})
    with contextlib.suppress(StripeRefusedError):
        parts.subscribe(world)


def answers_are_lost(world: World) -> None:
    """Begin what is never answered, in each way, and learn a day later what became of it."""
    for after_effect in (True, False):
        parts.lose_answers(world, after_effect=after_effect)
        with contextlib.suppress(StripeUnavailableError):
            parts.give(world)
    world.stripe.control("fail_next", kind="kept_error", method="POST")
    parts.give(world)
    reader_id, subscription_id = ours.subscriptions(world.context)[0]
    for verb in (subscriptions.change_page, subscriptions.cancel_at_period_end):
        parts.lose_answers(world, after_effect=False)
        with contextlib.suppress(StripeUnavailableError):
            verb(world.context, reader_id=reader_id, subscription_id=subscription_id)
    world.stripe.advance(seconds=25 * 3600)
    reconciliation.finish_commands(world.context)


def an_end_waits_for_hours(world: World) -> None:
    """Ask for an end: no answer comes, then our key may not, and at last it may."""
    reader_id, subscription_id = ours.subscriptions(world.context)[0]
    parts.lose_answers(world, after_effect=False)
    with contextlib.suppress(StripeUnavailableError):
        subscriptions.cancel_at_period_end(
            world.context, reader_id=reader_id, subscription_id=subscription_id
        )
    world.stripe.advance(seconds=7 * 3600)
    parts.stripe_refuses_our_key(world, "POST")
    reconciliation.finish_commands(world.context)
    parts.stripe_is_well(world)
    world.stripe.advance(seconds=2 * 3600)
    reconciliation.finish_commands(world.context)


def somebody_meets_the_wall(world: World) -> None:
    """Ask as a reader who may have paid, and as a visitor; look, in a bad hour too."""
    context = world.context
    (reader_id,) = ours.readers(context)
    with context.db.unit_of_work() as session:
        cookie = sign_in.begin_session(session, reader_id=reader_id, now=context.clock.now())
        session.execute(sa.delete(Entitlement).where(Entitlement.reader_id == reader_id))
    paywall = context.settings.paywall.model_copy(update={"limit": 0})
    none_free = replace(context, settings=context.settings.model_copy(update={"paywall": paywall}))
    _ask(none_free, reader=cookie)
    _ask(context, visitor=_ask(context), article="another")
    _tell_of_an_outage(context)
    parts.stripe_is_down(world)
    reconciliation.look_at_due_readers(context, most=5)
    parts.stripe_is_well(world)
    world.stripe.advance(seconds=3600)
    reconciliation.look_at_due_readers(context, most=5)
    world.stripe.advance(days=1)
    with context.db.unit_of_work() as session:
        session.execute(sa.delete(Entitlement).where(Entitlement.reader_id == reader_id))
    _ask(none_free, reader=cookie)
    parts.workers_die_of(world, ReaderLook)
    reconciliation.look_at_due_readers(context, most=5)


def _tell_of_an_outage(context: Context) -> None:
    """Have a web process find its database again."""
    with process(context.db, context.settings) as web:
        web.wall._outage.began(OSError(), away=False, now=context.clock.now())
        web.wall._outage.told[Reason.OUTAGE] += 1
        web.answer(access.Question("one"), now=context.clock.now())


def _ask(context: Context, *, reader: str = "", visitor: str = "", article: str = "one") -> str:
    asked = access.Question(article, reader, visitor, counts=True)
    now = context.clock.now()
    return ask_the_wall(context.db, context.settings, asked, now=now).new_cookie


def somebody_signs_in(world: World) -> None:
    """Ask for a link on the page, as anybody may."""
    with parts.browser(world) as client:
        answer = client.post("/sign-in", data={"email": "rosa@example.org", "next": ""})
        assert answer.is_redirect or answer.is_success, answer.text


def pages_settle_what_is_paid(world: World) -> None:
    """Let the webhook come before the reader does."""
    started = parts.subscribe(world)
    world.stripe.pay(started.url)
    settle(world.context, parts.newest(world, "checkout.session")["id"])
    parts.come_back(world, started)


SCENES = (
    Scene(somebody_subscribes),
    Scene(pages_settle_what_is_paid),
    Scene(somebody_begins_twice),
    Scene(somebody_gives),
    Scene(a_bank_pays),
    Scene(a_subscriber_looks_after_it, before=parts.a_subscriber),
    Scene(a_renewal_fails, before=_who_fails_later),
    Scene(a_price_is_swapped, before=parts.a_subscriber),
    Scene(a_customer_was_deleted, before=parts.a_subscriber),
    Scene(a_price_was_taken_off_sale),
    Scene(answers_are_lost, before=parts.a_subscriber),
    Scene(an_end_waits_for_hours, before=parts.a_subscriber),
    Scene(somebody_meets_the_wall, before=parts.a_subscriber),
    Scene(somebody_signs_in),
)
