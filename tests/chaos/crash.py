"""A day in the life of the product, ended by a real `kill -9` at one point of it after another.

Each life is a process of its own, forked from this one and killed by the kernel. Another process
then finds what the first has left, works it off without any help from Stripe's webhooks, and must
arrive where nobody was killed.
"""

import contextlib
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from billing import access, checkout, payments, reconciliation, sign_in, subscriptions
from billing.errors import StripeUnavailableError
from billing.models import Entitlement
from billing.money import Money
from billing.reconciliation import rounds
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.verify import verify
from emails.deliver import deliver_due
from emails.transports import SmtpTransport
from service import schedule, worker
from tests.chaos import model, ours, points
from tests.chaos.world import World
from tests.support.ports import free_port
from tests.support.smtp import MailCatcher
from webhooks import inbox, poll

GOOD, FAILS_LATER, DECLINED = "4242424242424242", "4000000000000341", "4000000000000002"
DISPUTED, BANK = "4000000000000259", "00012345"
MONTHLY = "digital-month-standard"


def a_day(world: World) -> None:
    """Do a little of everything the product does."""
    context, stripe = world.context, world.stripe
    ours.have_walked_once(context)
    stripe.control("settings", payouts=1, bacs_debit=1)
    started = _subscribe(world)
    stripe.pay(started.url, GOOD)
    _come_back(world, started)
    _change_of_mind(world)
    for card in (DECLINED, GOOD, DISPUTED):
        stripe.pay(_give(world).url, card)
    stripe.fill_in(_give(world).url, BANK, email="bank@x.uk", by="bacs_debit")
    _hear_and_work(world)
    _what_a_subscriber_does(world)
    _what_the_office_does(world)
    _what_is_never_answered(world)
    _at_the_wall(world)
    stripe.advance(seconds=32 * 24 * 3600)
    _hear_and_work(world)
    rounds.nightly(context)
    verify(context, since=BEGINNING)


def _subscribe(world: World, *, browser: str = "", price: str = MONTHLY) -> checkout.Started:
    return checkout.start_subscription(
        world.context, lookup_key=price, reader_id=None, browser=browser, shown={}, caller=""
    )


def _give(world: World) -> checkout.Started:
    return checkout.start_donation(
        world.context,
        appeal="95th-anniversary",
        amount=Money(25_00),
        reader_id=None,
        shown={},
        caller="",
    )


def _change_of_mind(world: World) -> None:
    """Somebody begins twice in one browser; it is the second that is paid, and later fails."""
    other = _subscribe(world)
    again = _subscribe(world, browser=other.browser, price="digital-month-concession")
    world.stripe.pay(again.url, FAILS_LATER)


def _what_a_subscriber_does(world: World) -> None:
    context = world.context
    reader_id, subscription_id = ours.subscriptions(context)[0]
    for verb in (subscriptions.cancel_at_period_end, subscriptions.keep):
        verb(context, reader_id=reader_id, subscription_id=subscription_id)
    subscriptions.change_page(context, reader_id=reader_id, subscription_id=subscription_id)
    customer = world.stripe.client.v1.customers.list({"limit": 1}).data[0].id
    world.stripe.client.v1.customers.delete(customer)


def _what_the_office_does(world: World) -> None:
    """Give back a part by our own command, and a part in Stripe's dashboard."""
    context = world.context
    intent, _ = min(ours.paid(context), key=lambda payment: payment[1])
    payments.refund(context, intent, amount=Money(1_00), actor="crash", reason="crash")
    charge = world.stripe.client.v1.payment_intents.retrieve(intent).latest_charge
    world.stripe.client.v1.refunds.create({"charge": str(charge), "amount": 1_00})


def _what_is_never_answered(world: World) -> None:
    """Begin something whose answer is lost, and learn a day later what became of it."""
    lost = {"kind": "dropped", "method": "POST", "times": 3, "after_effect": True}
    world.stripe.control("fail_next", **lost)
    with contextlib.suppress(StripeUnavailableError):
        _give(world)
    world.stripe.control("fail_next", kind="kept_error", method="POST")
    _give(world)
    world.stripe.advance(seconds=25 * 3600)
    reconciliation.finish_commands(world.context)


def _at_the_wall(world: World) -> None:
    """Ask as a reader who is known, has nothing more to read, and may have paid."""
    context = world.context
    with context.db.unit_of_work() as session:
        reader_id = ours.readers(context)[-1]
        cookie = sign_in.begin_session(session, reader_id=reader_id, now=context.clock.now())
        session.execute(sa.delete(Entitlement).where(Entitlement.reader_id == reader_id))
    none_free = context.settings.paywall.model_copy(update={"limit": 0})
    settings = context.settings.model_copy(update={"paywall": none_free})
    asked = access.Question("article", cookie, "", counts=True)
    access.check(context.db, settings, asked, now=context.clock.now())
    asked = access.Question("article", "", "", counts=True)
    seen = access.check(context.db, context.settings, asked, now=context.clock.now())
    again = access.Question("another", "", seen.new_cookie, counts=True)
    access.check(context.db, context.settings, again, now=context.clock.now())
    reconciliation.look_at_due_readers(context, most=5)


def _come_back(world: World, started: checkout.Started) -> None:
    checkout.settle_return(
        world.context,
        checkout_id=started.checkout_id,
        token=ours.token(world.context, started.checkout_id),
        browser=started.browser,
    )


def _hear_and_work(world: World) -> None:
    """Hear every event but those that are lost, and do what a worker does, in a bad hour too."""
    context = world.context
    said = [doc for doc in world.objects() if doc["object"] == "event"]
    world.deliver(said[::2])
    world.stripe.control("fail_next", kind="rate_limited", method="GET", times=1)
    ours.work_off(context)
    world.stripe.control("fail_next/clear")
    _post(world)
    worker.beat(context)
    schedule.run_due(context)
    for work in (
        poll.poll_events,
        reconciliation.poll_unfinished,
        reconciliation.poll_balance_transactions,
    ):
        work(context)


def _post(world: World) -> None:
    port = free_port()
    catcher = MailCatcher(port)
    catcher.start()
    try:
        mail = world.context.settings.mail.model_copy(update={"port": port})
        deliver_due(world.context, SmtpTransport(mail), most=100)
    finally:
        catcher.stop()


def recover(world: World) -> None:
    """Work off what a killed process left behind, until it is as if nobody had been killed."""
    context, stripe = world.context, world.stripe
    stripe.advance(seconds=3600)  # every lease has run out
    ours.work_off(context)
    ours.reconcile(context)
    ours.work_off(context)
    now = int(context.clock.now().timestamp())
    seen = model.Stripe.reading(world.objects())
    ours.agree(context, seen, now)
    assert max(ours.sessions_of_a_checkout(seen).values(), default=1) == 1
    inbox.handle_due(context, most=50)
    before = ours.digest(context)
    ours.reconcile(context)
    ours.same("a second look", ours.digest(context), before)


@dataclass
class Crashes:
    """What became of the lives.

    Attributes:
        known: every point the source has.
        hit: those at which a process was killed and another made good of it.
        wrong: what was not made good, by point.
    """

    known: set[str]
    hit: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """Say how many of the points were hit, and which were not."""
        hit = self.known & set(self.hit)
        share = 100 * len(hit) // len(self.known)
        beyond = len(set(self.hit) - self.known)
        lines = [f"  not reached: {name}" for name in sorted(self.known - set(self.hit))]
        lines += [f"  wrong: {name}: {why}" for name, why in sorted(self.wrong.items())]
        counted = f"crash points hit {len(hit)} of {len(self.known)} ({share} %)"
        return "\n".join(
            [*lines, f"{counted}, {beyond} more met on the way, {len(self.wrong)} wrong"]
        )


def crash_everywhere(
    world: World,
    *,
    choose: Callable[[list[str]], list[str]] = sorted,
    day: Callable[[World], None] = a_day,
) -> Crashes:
    """Kill a life at every point it comes by; `choose` may leave some out."""
    found = Crashes(points.written_down())
    reached = _live(world, day)
    for name in choose(sorted(set(reached))):
        _live(world, day, until=name)
        why = _in_a_process(world, recover)
        found.hit[name] += 1
        if why:
            found.wrong[name] = why
    return found


def _live(world: World, day: Callable[[World], None], *, until: str = "") -> list[str]:
    """Live a day in another process, to its end or until it comes by a point; return the points."""
    world.begin(closed=True)
    reached: list[str] = []

    def come_by(name: str) -> None:
        if name == until:
            os.kill(os.getpid(), signal.SIGKILL)
        reached.append(name)

    def life(world: World) -> None:
        with points.watched(come_by):
            day(world)

    with tempfile.NamedTemporaryFile("r") as told:
        why = _in_a_process(
            world, life, after=lambda: Path(told.name).write_text("\n".join(reached))
        )
        if until:
            assert why == f"killed by signal {signal.SIGKILL.value}", (until, why)
            return []
        assert not why, why
        return told.read().splitlines()


def _in_a_process(
    world: World, work: Callable[[World], None], *, after: Callable[[], Any] = lambda: None
) -> str:
    """Fork, do the work there, and return what was wrong; '' for nothing."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            with world.opened():
                work(world)
            after()
        except BaseException as error:  # noqa: BLE001  # told to the parent
            os.write(write, f"{type(error).__name__}: {error}"[:4000].encode() or b"?")
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return f"killed by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else said
