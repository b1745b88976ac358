"""Make Stripe sell what the catalogue says, and remember which price is which.

Repeating it changes nothing. No price is ever edited: a changed amount is a new price that takes
over the lookup key, and the old one is sold no more; whoever subscribed at it keeps it. No
transaction is open while Stripe is asked, and a run that was cut short is completed by the next.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.catalogue.data import Catalogue, Plan, PlanPrice
from billing.db import Database, insert_ignore
from billing.errors import ConfigurationError
from billing.models import Account, Price, Subscription
from billing.money import Money
from billing.stripe_gateway import catalogue as theirs
from billing.stripe_gateway.catalogue import NewPrice, StripePrice
from billing.stripe_gateway.client import APP, Gateway
from billing.words import counted


def push(db: Database, gateway: Gateway, catalogue: Catalogue, *, now: datetime) -> list[str]:
    """Make Stripe and the table `price` agree with the catalogue.

    Returns:
        What differed and was put right, and what a person should look at, in sentences; nothing
        where all agreed.

    Raises:
        ConfigurationError: the catalogue names an account that is not in the chart.
        StripeRefusedError, StripeUnavailableError: as `Gateway.ask`; run it again.
    """
    with db.reading() as session:
        _refuse_unknown_accounts(session, catalogue)
        remembered = _on_sale(session)
        said = _missed(session, catalogue)
    current: dict[str, StripePrice] = {}
    for plan in catalogue.plans:
        _have_product(gateway, plan, said)
        current |= _have_prices(gateway, plan, said)
    retired = _retire_others(gateway, catalogue, current, remembered, said)
    with db.unit_of_work() as session:
        _remember(session, catalogue, current, retired, said, now=now)
    return said


def _refuse_unknown_accounts(session: Session, catalogue: Catalogue) -> None:
    unknown = sorted(catalogue.accounts() - set(session.scalars(sa.select(Account.code))))
    if unknown:
        raise ConfigurationError(
            f"the catalogue books to account {unknown[0]}, which is not in the chart of accounts;"
            " correct `account` in the catalogue"
        )


def _missed(session: Session, catalogue: Catalogue) -> list[str]:
    """Say which plans are paid for and no longer in the catalogue: nothing says what they are."""
    goes_on = Subscription.ended_at.is_(None)
    readers = sa.func.count(Subscription.reader_id.distinct())
    paid = sa.select(Subscription.plan, readers).where(goes_on).group_by(Subscription.plan)
    known = {plan.key for plan in catalogue.plans}
    return [
        f"{plan}: not in the catalogue, and still paid for by {counted(number, 'subscriber')}; put"
        " it back, or their money is booked as unallocated."
        for plan, number in sorted((plan, number) for plan, number in session.execute(paid))
        if plan not in known
    ]


def _on_sale(session: Session) -> dict[str, str]:
    """Return the ids of the prices we remember as on sale, with their lookup keys."""
    rows = session.scalars(sa.select(Price).where(Price.on_sale))
    return {price.stripe_price_id: price.lookup_key for price in rows}


def product_id_of(plan: Plan) -> str:
    """Return the id of a plan's product at Stripe: one of our own."""
    return f"{APP}-{plan.key}"


def _have_product(gateway: Gateway, plan: Plan, said: list[str]) -> None:
    product_id = product_id_of(plan)
    found = theirs.product(gateway, product_id)
    if found is None:
        theirs.create_product(gateway, product_id, plan=plan.key, name=plan.name)
        said.append(f"{plan.key}: created the product {plan.name!r}.")
    elif (found.name, found.active) != (plan.name, True):
        theirs.update_product(gateway, product_id, name=plan.name)
        said.append(f"{plan.key}: the product {found.name!r} is now {plan.name!r} and on sale.")


def _have_prices(gateway: Gateway, plan: Plan, said: list[str]) -> dict[str, StripePrice]:
    """Return the price of each lookup key, as the catalogue wants it."""
    found = theirs.prices_named(gateway, [price.lookup_key for price in plan.prices])
    current = {}
    for wanted in plan.prices:
        there = found.get(wanted.lookup_key)
        if there is None or not _same(plan, wanted, there):
            made = theirs.create_price(gateway, _new(plan, wanted, there))
            said.append(_sentence(wanted, there, made))
            there = made
        current[wanted.lookup_key] = there
    return current


def _same(plan: Plan, wanted: PlanPrice, there: StripePrice) -> bool:
    return (
        there.money == wanted.money
        and (there.interval, there.interval_count) == (wanted.interval.value, 1)
        and there.product_id == product_id_of(plan)
        and there.active
    )


def _new(plan: Plan, wanted: PlanPrice, there: StripePrice | None) -> NewPrice:
    return NewPrice(
        plan=plan.key,
        product_id=product_id_of(plan),
        lookup_key=wanted.lookup_key,
        amount=wanted.amount,
        currency=wanted.money.currency,
        interval=wanted.interval,
        replaces=there.id if there else "",
    )


def _sentence(wanted: PlanPrice, there: StripePrice | None, made: StripePrice) -> str:
    says = f"{wanted.money} a {wanted.interval.value}"
    if there is None:
        return f"{wanted.lookup_key}: created {made.id}, {says}."
    return f"{wanted.lookup_key}: {there.id} ({there.money}) gave way to {made.id}, {says}."


def _retire_others(
    gateway: Gateway,
    catalogue: Catalogue,
    current: Mapping[str, StripePrice],
    remembered: Mapping[str, str],
    said: list[str],
) -> Collection[str]:
    """Take off sale whatever of ours is on sale and not in the catalogue; return all of those."""
    keep = {price.id for price in current.values()}
    others = {price_id: key for price_id, key in remembered.items() if price_id not in keep}
    active = {
        price.id: price
        for plan in catalogue.plans
        for price in theirs.prices_on_sale(gateway, product_id_of(plan))
        if price.id not in keep
    }
    for price in active.values():
        if price.ours:
            others.setdefault(price.id, price.lookup_key)
        else:
            said.append(
                f"{price.id} ({price.money}) is on sale at Stripe and not in the catalogue;"
                " we did not make it, so it was left alone."
            )
    for price_id, key in others.items():
        theirs.retire_price(gateway, price_id)
        said.append(f"{key or 'a price without lookup key'}: {price_id} is no longer on sale.")
    return others.keys()


def _remember(
    session: Session,
    catalogue: Catalogue,
    current: Mapping[str, StripePrice],
    retired: Collection[str],
    said: list[str],
    *,
    now: datetime,
) -> None:
    session.execute(
        sa.update(Price).where(Price.stripe_price_id.in_(retired)).values(on_sale=False)
    )
    for lookup_key, there in current.items():
        plan, wanted = catalogue.price(lookup_key)
        known = session.get(Price, there.id)
        if known is not None and known.on_sale:
            continue
        said.append(f"{lookup_key}: {there.id} is the price on sale.")
        if known is not None:
            known.on_sale = True
            continue
        session.execute(insert_ignore(session, Price).values(**_row(plan, wanted, there, now=now)))


def _row(plan: Plan, wanted: PlanPrice, there: StripePrice, *, now: datetime) -> dict[str, object]:
    money: Money = there.money
    return {
        "stripe_price_id": there.id,
        "stripe_product_id": there.product_id,
        "lookup_key": wanted.lookup_key,
        "plan": plan.key,
        "band": wanted.band,
        "interval": wanted.interval,
        "amount": money.amount,
        "currency": money.currency,
        "on_sale": True,
        "created_at": now,
    }
