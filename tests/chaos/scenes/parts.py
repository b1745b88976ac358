"""What the scenes are put together from: who comes, what Stripe says, and what goes wrong."""

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa
from fastapi.testclient import TestClient
from stripe import WebhookSignature

from billing import checkout, queue
from billing.models import OutboxMessage, ReaderLook, StripeEvent
from billing.money import Money
from emails.deliver import deliver_due
from emails.transports import SmtpTransport
from service.app import build
from tests.chaos import ours
from tests.chaos.world import SECRET, Doc, World
from tests.support.ports import free_port
from tests.support.smtp import MailCatcher
from webhooks import inbox, router

Row = TypeVar("Row", OutboxMessage, ReaderLook, StripeEvent)

GOOD, FAILS_LATER, DECLINED = "4242424242424242", "4000000000000341", "4000000000000002"
DISPUTED, BANK = "4000000000000259", "00012345"
MONTHLY, CONCESSION = "digital-month-standard", "digital-month-concession"
YEARLY = "digital-year-standard"
DAY = 24 * 3600
EVERY_TRY = 3  # ours and the SDK's two


def an_open_paper(world: World) -> None:
    """Begin as a database that was there when the account was new, and pays out daily."""
    ours.have_walked_once(world.context)
    world.stripe.control("settings", payouts=1, bacs_debit=1, after_retries=2)


def a_subscriber(world: World) -> None:
    """Let somebody have subscribed, come back, and be known."""
    an_open_paper(world)
    subscribed(world)


def a_giver(world: World) -> None:
    """Let somebody have given, and be thanked."""
    an_open_paper(world)
    given(world)


def subscribe(
    world: World, *, browser: str = "", price: str = MONTHLY, caller: str = ""
) -> checkout.Started:
    """Begin to subscribe."""
    return checkout.start_subscription(
        world.context, lookup_key=price, reader_id=None, browser=browser, shown={}, caller=caller
    )


def give(world: World, **who: Any) -> checkout.Started:
    """Begin to give."""
    asked = {"reader_id": None, "shown": {}, "caller": "", **who}
    return checkout.start_donation(
        world.context, appeal="95th-anniversary", amount=Money(25_00), **asked
    )


def subscribed(world: World, card: str = GOOD, *, price: str = MONTHLY) -> checkout.Started:
    """Subscribe, pay and come back."""
    started = subscribe(world, price=price)
    world.stripe.pay(started.url, card)
    come_back(world, started)
    return started


def given(world: World, card: str = GOOD) -> checkout.Started:
    """Give, pay and come back."""
    started = give(world)
    world.stripe.pay(started.url, card)
    come_back(world, started)
    return started


def come_back(world: World, started: checkout.Started) -> None:
    """Come back from Stripe's page."""
    checkout.settle_return(
        world.context,
        checkout_id=started.checkout_id,
        token=ours.token(world.context, started.checkout_id),
        browser=started.browser,
    )


def said(world: World) -> list[Doc]:
    """Return everything Stripe has said, oldest first."""
    return [doc for doc in world.objects() if doc["object"] == "event"]


def hear(world: World) -> None:
    """Hear every second word of Stripe's, the others are lost; and work it off."""
    world.deliver(said(world)[::2])
    ours.work_off(world.context)


def hear_all(world: World) -> None:
    """Hear every word of Stripe's, and work it off. What was answered 200 is never sent again."""
    for event in said(world):
        if not event.get("answered"):
            assert world.deliver([event]) == [200]
            world.stripe.rewrite(event["id"], answered=True)
    ours.work_off(world.context)


def newest(world: World, kind: str) -> Doc:
    """Return the last object of a kind that Stripe made."""
    return [doc for doc in world.objects() if doc["object"] == kind][-1]


def lose_answers(world: World, *, after_effect: bool) -> None:
    """Have what is asked next carried out or not, and the answer lost however often it is asked."""
    world.stripe.control(
        "fail_next", kind="dropped", method="POST", times=EVERY_TRY, after_effect=after_effect
    )


def stripe_is_down(world: World) -> None:
    """Have Stripe answer no question."""
    world.stripe.control("fail_next", kind="error", method="GET", times=50)


def stripe_refuses_our_key(world: World, method: str) -> None:
    """Have Stripe say to what is asked next that our key may not."""
    world.stripe.control("fail_next", kind="error", method=method, status=403, times=EVERY_TRY)


def stripe_is_well(world: World) -> None:
    """Have Stripe answer again."""
    world.stripe.control("fail_next/clear")


def workers_die_of(world: World, table: type[Row]) -> None:
    """Let one worker after another take up what is due, and be heard of no more."""
    for _ in range(queue.owed.LOSSES_BEFORE_PARKING):
        with world.context.db.unit_of_work() as session:
            queue.claim_due(session, table, now=world.context.clock.now(), most=50)
        world.stripe.advance(seconds=int(queue.owed.LEASE.total_seconds()) + 1)


@contextlib.contextmanager
def browser(world: World) -> Iterator[TestClient]:
    """Open a browser before the whole application."""
    app = build(world.context)
    with TestClient(app, base_url="http://localhost:8000", follow_redirects=False) as opened:
        yield opened


def knock(world: World, event: Doc, *, secret: str = SECRET, ahead: int = 0) -> int:
    """Send one event through the whole application's door; return what it answered."""
    body = json.dumps(event)
    stamp = int(time.time()) + ahead
    header = WebhookSignature.generate_signature_header(body, secret, stamp)
    with browser(world) as client:
        answer = client.post(router.PATH, content=body, headers={"Stripe-Signature": header})
    return answer.status_code


def post(world: World, answers: Iterable[str] = ("250 OK",)) -> None:
    """Send all the mail that is due; the mail server answers one batch after another so."""
    port = free_port()
    catcher = MailCatcher(port)
    catcher.start()
    mail = world.context.settings.mail.model_copy(update={"port": port})
    try:
        for answer in answers:
            catcher.answer = answer
            deliver_due(world.context, SmtpTransport(mail), most=2)
    finally:
        catcher.stop()


def one(world: World, what: sa.Select[Any]) -> Any:
    """Return the one value a question to our database has."""
    with world.context.db.reading() as session:
        return session.scalars(what).one()


def work_off(world: World) -> None:
    """Handle what is due by now."""
    inbox.handle_due(world.context, most=50)


@contextlib.contextmanager
def changed(room: Any, **values: object) -> Iterator[None]:
    """Have a room of the product be of other measures for a while, where life would take too long.

    Args:
        room: the module.
        values: what of it is changed, by name.
    """
    before = {name: getattr(room, name) for name in values}
    for name, value in values.items():
        setattr(room, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(room, name, value)
