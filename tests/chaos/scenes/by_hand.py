"""What a person begins at a keyboard or in the office; who sees it die does it again."""

import os
import tempfile
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
import typer.testing
from alembic import command

from billing import office, sign_in
from billing.books.ledger import account_balance
from billing.catalogue.data import AdoptedPrice, Catalogue
from billing.catalogue.push import product_id_of, push
from billing.context import Context
from billing.db import Base
from billing.migrations import run
from billing.models import Customer, OutboxMessage, Price, Role, Staff, StripeEvent, Subscription
from billing.reconciliation import adopt, rounds
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.verify import verify
from billing.stripe_gateway import read
from service.cli import app
from tests.chaos import ours
from tests.chaos.scenes import parts
from tests.chaos.scenes.ends import as_if_nobody_had_been_killed, work_off_what_was_left
from tests.chaos.scenes.scene import Scene
from tests.chaos.world import World
from tests.service.conftest import environment_of
from webhooks import dispatch

ADDRESS = "http://localhost:9/webhooks/stripe"
CLERK = "clerk@example.org"


def billing(world: World, *words: str) -> None:
    """Run the `billing` command in this process, so that it dies with it."""
    more = {"BILLING_CHECKOUT__METHODS": '["card", "bacs_debit"]'}
    os.environ.update({**environment_of(world.context.settings), **more})
    done = typer.testing.CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code in {0, 1}, done.output


def everything_is_compared(world: World) -> None:
    """Have everything compared, what was said handled again, and the books written to a file."""
    month = world.context.clock.now().strftime("%Y-%m")
    billing(world, "reconcile", "--full")
    billing(world, "replay", "--since", f"{month}-01T00:00")
    with tempfile.TemporaryDirectory() as directory:
        file = f"{directory}/trial-balance.csv"
        billing(world, "export", "trial-balance", "--month", month, "--out", file)


def _paid_and_never_told(world: World) -> None:
    parts.a_subscriber(world)
    world.stripe.pay(parts.give(world).url)
    world.deliver(parts.said(world)[:3])
    parts.work_off(world)


def a_clerk_begins(world: World) -> None:
    """Add somebody to the office, and let them in."""
    billing(world, "staff", "add", CLERK, "--name", "Clerk", "--role", "finance")
    billing(world, "staff", "link", CLERK)
    billing(world, "wall", "open", "--to", "everyone", "--hours", "1", "--reason", "a rehearsal")
    billing(world, "wall", "close")
    billing(world, "wall", "rotate")


def _the_clerk_is_there_once(world: World) -> None:
    as_if_nobody_had_been_killed(world)
    assert parts.one(world, sa.select(sa.func.count()).select_from(Staff)) == 1


def finance_downloads_a_file(world: World) -> None:
    """Take the month's payments home, signed in as a clerk."""
    context, month = world.context, world.context.clock.now().strftime("%Y-%m")
    with context.db.unit_of_work() as session:
        now = context.clock.now()
        clerk = office.add_staff(
            session, email=CLERK, name="Clerk", role=Role.FINANCE, actor="crash", now=now
        )
        cookie = sign_in.begin_session(session, staff_id=clerk.id, now=now)
    with parts.browser(world) as client:
        client.cookies.set("staff", cookie)
        answer = client.get(f"/office/exports/payments.csv?month={month}")
    assert answer.status_code == 200, answer.text


def an_endpoint_is_registered(world: World) -> None:
    """Have Stripe send us events, and have it put right after somebody has spoilt it."""
    billing(world, "webhook", "register", "--url", ADDRESS)
    made = parts.newest(world, "webhook_endpoint")["id"]
    endpoints = world.stripe.client.v1.webhook_endpoints
    endpoints.update(made, {"enabled_events": ["customer.created"]})
    billing(world, "doctor")
    billing(world, "webhook", "register", "--url", ADDRESS)


def _there_is_one_endpoint(world: World) -> None:
    (only,) = (doc for doc in world.objects() if doc["object"] == "webhook_endpoint")
    assert set(only["enabled_events"]) == set(dispatch.TYPES)
    as_if_nobody_had_been_killed(world)


def prices_change(world: World) -> None:
    """Sell another plan, change its name and a price, and no longer sell what it was sold at."""
    _push(world, _with_another_plan(world.context.catalogue, name="On paper", amount=9_99))
    _push(world, _as_it_will_be(world))


def _push_again(world: World) -> None:
    _push(world, _as_it_will_be(world))


def _push(world: World, catalogue: Catalogue) -> None:
    context = world.context
    push(context.db, context.gateway, catalogue, now=context.clock.now())


def _as_it_will_be(world: World) -> Catalogue:
    return _with_another_plan(world.context.catalogue, name="Delivered", amount=12_99)


def _with_another_plan(catalogue: Catalogue, *, name: str, amount: int) -> Catalogue:
    digital = catalogue.plans[0]
    price = digital.prices[0].model_copy(update={"lookup_key": "paper-month", "amount": amount})
    paper = digital.model_copy(update={"key": "paper", "name": name, "prices": (price,)})
    return catalogue.model_copy(update={"plans": (*catalogue.plans, paper)})


def _stripe_sells_the_catalogue(world: World) -> None:
    wanted, context = _as_it_will_be(world), world.context
    assert push(context.db, context.gateway, wanted, now=context.clock.now()) == []
    paper = wanted.plans[-1]
    (price,) = world.stripe.client.v1.prices.list({"product": product_id_of(paper), "active": True})
    assert price.unit_amount == paper.prices[0].amount
    sold = sa.select(Price.stripe_price_id).where(Price.plan == paper.key, Price.on_sale)
    assert parts.one(world, sold) == price.id


def an_account_is_taken_over(world: World) -> None:
    """Find that the account is older than our database, and adopt it."""
    rounds.nightly(world.context)
    _adopt(world)


def _an_old_account(world: World) -> None:
    """Let people have subscribed before there was any of us: at a price of ours, and an older."""
    v1 = world.stripe.client.v1
    product = v1.products.create({"name": "The paper of old"}).id
    params: Any = {"product": product, "currency": "gbp", "unit_amount": 4_00}
    params |= {"recurring": {"interval": "month"}, "lookup_key": "old"}
    v1.prices.create(params)
    for key in ("old", parts.MONTHLY):
        line = {"price": _price(world, key), "quantity": 1}
        params = {"mode": "subscription", "line_items": [line], "success_url": "https://old.uk/"}
        world.stripe.pay(str(v1.checkout.sessions.create(params).url), email=f"{key}@x.uk")
    world.stripe.advance(days=10)


def _price(world: World, key: str) -> str:
    found = world.stripe.client.v1.prices.list({"lookup_keys": [key]})
    return str(found.data[0].id)


def _adopt(world: World) -> adopt.Adoption:
    mapped = AdoptedPrice(stripe_price=_price(world, "old"), plan="digital", band="standard")
    catalogue = world.context.catalogue.model_copy(update={"adopted_prices": (mapped,)})
    context: Context = replace(world.context, catalogue=catalogue)
    found = adopt.survey(context)
    adopt.adopt(context, found, actor="crash")
    return found


def _adopt_again(world: World) -> None:
    """Do it again, as whoever saw it die is told to."""
    world.stripe.advance(seconds=3600)
    found = _adopt(world)
    assert (found.failed, found.disagreements) == ({}, [])


def _all_is_taken_over_quietly(world: World) -> None:
    _adopt_again(world)
    work_off_what_was_left(world)
    context = world.context
    assert verify(context, since=BEGINNING).exit_code == 0
    with context.db.reading() as session:
        assert account_balance(session, "1240") == read.balance(context.gateway)["gbp"]
        for table, number in ((Customer, 2), (Subscription, 2), (OutboxMessage, 0)):
            count = sa.select(sa.func.count()).select_from(table)
            assert session.scalar(count) == number, table.__name__
    before = ours.digest(context)
    _adopt(world)
    after = ours.digest(context)
    ours.same("adopted once more", *({**each, "audit_record": []} for each in (after, before)))


def a_new_version_is_installed(world: World) -> None:
    """Bring the database of the release before up to this one."""
    billing(world, "migrate")


def _of_the_release_before(world: World) -> None:
    world.context.db.close()
    command.downgrade(run._config(_url(world)), "-1")


def _url(world: World) -> str:
    return world.context.settings.database_url


def _this_version_is_there(world: World) -> None:
    assert run.current(world.context.db) == run.head()
    with world.context.db.reading() as session:
        for table in Base.metadata.sorted_tables:
            session.execute(sa.select(table).limit(1))
        assert session.scalar(sa.select(sa.func.count()).select_from(StripeEvent)) == 0


SCENES = (
    Scene(
        everything_is_compared,
        before=_paid_and_never_told,
        again=everything_is_compared,
    ),
    Scene(a_clerk_begins, again=a_clerk_begins, end=_the_clerk_is_there_once),
    Scene(finance_downloads_a_file, before=parts.a_giver),
    Scene(an_endpoint_is_registered, again=an_endpoint_is_registered, end=_there_is_one_endpoint),
    Scene(prices_change, again=_push_again, end=_stripe_sells_the_catalogue),
    Scene(
        an_account_is_taken_over,
        before=_an_old_account,
        again=_adopt_again,
        end=_all_is_taken_over_quietly,
    ),
    Scene(
        a_new_version_is_installed,
        before=_of_the_release_before,
        again=a_new_version_is_installed,
        end=_this_version_is_there,
    ),
)
