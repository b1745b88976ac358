"""Taking over a Stripe account that had a life before us: quietly, once, and resumable.

First it is all read and said: who is whose, what cannot be mapped and why. Then the books are
opened with what Stripe holds, and whatever stands at Stripe is looked at by the usual verbs, in
sessions where nobody is mailed. No two customers are ever taken for one person, whatever address
they typed: a reader proves their own address later, and finds their subscription there.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import audit, readers
from billing.books.opening import open_books, opened_at
from billing.catalogue.prices import find_price
from billing.context import Context
from billing.errors import PASSING, AddressError, BillingError, RefusedError
from billing.models import BalanceTransaction, Customer, Feed, Interval, Price, Subscription
from billing.payments import link_customer
from billing.reconciliation import strange
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.refresh import refresh
from billing.reconciliation.subject import Subject, SubjectKind
from billing.stripe_gateway import catalogue, read, walk, whose
from billing.stripe_gateway.types import StripeSubscription
from billing.tasks import settle_tasks

QUIETLY: Final = "adopted"
_CUT_OFF: Final = timedelta(minutes=5)  # Stripe's lists have settled by then, and clocks agree
_PAYMENTS: Final = timedelta(days=35)  # older ones are read when something happens to them
_TRIES: Final = 5


@dataclass(slots=True)
class Adoption:
    """What is on the account, and what becomes of it.

    Attributes:
        cutoff: the last instant that is in the opening balance.
        balances: the opening balance by currency, in minor units; empty where it stands already.
        ours: the subscriptions at our prices, by id.
        people: the address and name of each customer who had one.
        prices: the older prices that the catalogue calls ours.
        unmapped: what is not taken over, row by row, with its reason.
        failed: what was to be taken over and could not be; run it again.
        disagreements: where the counts afterwards are not those of Stripe.
    """

    cutoff: datetime
    balances: dict[str, int] = field(default_factory=dict)
    ours: dict[str, StripeSubscription] = field(default_factory=dict)
    people: dict[str, tuple[str, str]] = field(default_factory=dict)
    prices: dict[str, Price] = field(default_factory=dict)
    unmapped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    disagreements: list[str] = field(default_factory=list)

    @property
    def subscriptions(self) -> Counter[str]:
        """How many subscriptions are ours, by Stripe's word for how they stand."""
        return Counter(each.status.value for each in self.ours.values())


def survey(context: Context) -> Adoption:
    """Read the account and say what would become of it. Writes nothing.

    Raises:
        RefusedError: these books have begun already.
        StripeUnavailableError: Stripe did not answer, or our key is another account's.
    """
    whose.refuse_another(context.db, context.gateway)
    with context.db.reading() as session:
        opened = opened_at(session)
        if opened is None and session.scalar(sa.select(BalanceTransaction).limit(1)) is not None:
            raise RefusedError(
                "movements of this account are in the books already, so they cannot be opened with"
                " its balance; an account is adopted before anything else is done with it"
            )
    found = Adoption(cutoff=opened or _whole_second(context.clock.now() - _CUT_OFF))
    if opened is None:
        found.balances = _balance_at(context, found.cutoff)
    _place_prices(context, found)
    _place_subscriptions(context, found)
    return found


def adopt(context: Context, found: Adoption, *, actor: str) -> None:
    """Take over what a survey has found. Repeats safely; what is done is not done again.

    Raises:
        StripeUnavailableError: Stripe did not answer; run it again.
    """
    whose.make_sure(context.db, context.gateway, now=context.clock.now())
    quiet = replace(context, db=context.db.quiet(QUIETLY))
    now = context.clock.now()
    with quiet.db.unit_of_work() as session:
        if opened_at(session) is None:
            settle_tasks(session, strange.TASK, subject="stripe", now=now)
        open_books(session, found.balances, at=found.cutoff, now=now)
        for price in found.prices.values():
            _keep_price(session, price)
        audit.record(
            session,
            actor=actor,
            action="account adopted",
            subject="stripe",
            now=now,
            cutoff=found.cutoff.isoformat(),
        )
    for customer_id, (email, name) in sorted(found.people.items()):
        with quiet.db.unit_of_work() as session:
            _begin_reader(session, customer_id, email, name, now=now)
    for subject in _everything(context, found):
        try:
            refresh(quiet, subject, feed=Feed.ADOPTION)
        except PASSING:
            raise
        except BillingError as error:  # keeps no other waiting; running it again takes it up
            found.failed[str(subject)] = str(error)
    with context.db.reading() as session:
        found.disagreements = _disagreements(session, found)


def _whole_second(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)


def _balance_at(context: Context, cutoff: datetime) -> dict[str, int]:
    """Return what Stripe held at an instant: what it holds, less what has moved since."""
    for _ in range(_TRIES):
        held = read.balance(context.gateway)
        since = read.balance_transactions(context.gateway, since=cutoff + timedelta(seconds=1))
        if held != read.balance(context.gateway):
            continue
        for movement in since:
            held[movement.currency] = held.get(movement.currency, 0) - movement.net
        return held
    raise RefusedError("Stripe's balance did not stand still while it was read; try again")


def _place_prices(context: Context, found: Adoption) -> None:
    """Read the older prices that the catalogue says are ours."""
    for adopted in context.catalogue.adopted_prices:
        theirs = catalogue.price(context.gateway, adopted.stripe_price)
        if theirs is None or not theirs.interval or theirs.interval_count != 1:
            found.unmapped[adopted.stripe_price] = (
                "named in the catalogue, and no price to renew by"
            )
            continue
        found.prices[theirs.id] = Price(
            stripe_price_id=theirs.id,
            stripe_product_id=theirs.product_id,
            lookup_key=theirs.lookup_key,
            plan=adopted.plan,
            band=adopted.band,
            interval=Interval(theirs.interval),
            amount=theirs.money.amount,
            currency=theirs.money.currency,
            on_sale=False,
            created_at=found.cutoff,
        )


def _place_subscriptions(context: Context, found: Adoption) -> None:
    """Tell which subscriptions are ours, by their prices, and whose they are."""
    with context.db.reading() as session:
        known = set(session.scalars(sa.select(Price.stripe_price_id))) | set(found.prices)
    payers = defaultdict(list)
    for theirs in walk.subscriptions(context.gateway, since=BEGINNING):
        if known.isdisjoint(theirs.price_ids):
            prices = ", ".join(theirs.price_ids) or "no price at all"
            found.unmapped[theirs.id] = f"{theirs.status.value}, at {prices}: none of our prices"
        else:
            payers[theirs.customer_id].append(theirs)
    for customer, email, name in walk.customers(context.gateway):
        if customer.id not in payers:
            found.unmapped[customer.id] = "never had a subscription at one of our prices"
            continue
        found.people[customer.id] = (email, name)
        found.ours |= {theirs.id: theirs for theirs in payers.pop(customer.id)}
    for customer_id, orphaned in payers.items():
        for theirs in orphaned:
            found.unmapped[theirs.id] = f"{theirs.status.value}, of {customer_id}, who was deleted"


def _keep_price(session: Session, price: Price) -> None:
    if find_price(session, price.stripe_price_id) is None:
        session.add(price)
        session.flush()


def _begin_reader(
    session: Session, customer_id: str, email: str, name: str, *, now: datetime
) -> None:
    """Make a reader for a customer who has none; the address is what was typed, and unproved."""
    if session.get(Customer, customer_id) is not None:
        return
    try:
        reader = readers.create(session, now=now, email=email, name=name)
    except AddressError:
        reader = readers.create(session, now=now, name=name)
    link_customer(session, customer_id, reader.id, now=now)


def _everything(context: Context, found: Adoption) -> list[Subject]:
    """Return what is to be looked at, each after what it hangs on."""
    since = found.cutoff - _PAYMENTS
    paid = [
        payment_id
        for payment_id, theirs in walk.payments(context.gateway, since=since)
        if theirs is not None and theirs.customer_id in found.people
    ]
    return [
        *(Subject(SubjectKind.CUSTOMER, each) for each in found.people),
        *(Subject(SubjectKind.SUBSCRIPTION, each) for each in found.ours),
        *(Subject(SubjectKind.PAYMENT, each) for each in paid),
        *(Subject(SubjectKind.INVOICE, each) for each in walk.open_invoices(context.gateway)),
    ]


def _disagreements(session: Session, found: Adoption) -> list[str]:
    """Compare what we have now with what Stripe has: how many, how they stand, what they pay."""
    rows = session.scalars(sa.select(Subscription))
    mirrored = {row.stripe_subscription_id: (row.status, row.amount) for row in rows}
    return [
        f"{theirs.id}: {theirs.status.value} at {theirs.amount} at Stripe,"
        f" {' at '.join(str(each) for each in mirrored.get(theirs.id, ('nothing',)))} here"
        for theirs in found.ours.values()
        if mirrored.get(theirs.id) != (theirs.status, theirs.amount)
    ]
