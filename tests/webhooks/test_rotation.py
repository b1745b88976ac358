"""Replacing the endpoint's secret: both are taken, and the old one is not forgotten."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from billing.context import Context
from billing.db import Database
from billing.models import Feed, StripeEvent, Task
from tests.webhooks.conftest import event_of
from webhooks import event, signature
from webhooks.record import record, subject_in
from webhooks.rotation import UNUSED, look_for_old_secrets

OLD, NEW = b"whsec_old", b"whsec_new"


@pytest.fixture
def rotating(quiet: Context) -> Context:
    secrets = tuple(SecretStr(secret.decode()) for secret in (OLD, NEW))
    settings = quiet.settings.model_copy(update={"stripe_webhook_secrets": secrets})
    return Context(quiet.db, settings, quiet.catalogue, quiet.gateway, quiet.clock)


def hear(context: Context, name: str, *secrets: bytes, ago: timedelta) -> None:
    """Store an event some time ago, signed by each of some secrets, as Stripe may."""
    body = json.dumps(event_of(name)).encode()
    headers = [signature.sign(body, secret=secret, at=1_763_892_000) for secret in secrets]
    both = headers[0] + b"".join(b"," + other.partition(b",")[2] for other in headers[1:])
    said = event.read(body)
    with context.db.unit_of_work() as session:
        record(
            session,
            said,
            body=body,
            headers={"stripe-signature": both.decode()},
            feed=Feed.WEBHOOK,
            subject=subject_in(said),
            settings=context.settings,
            now=context.clock.now() - ago,
        )


def asked(db: Database) -> list[str]:
    with db.reading() as session:
        return [t.detail for t in session.scalars(sa.select(Task).order_by(Task.id))]


def test_an_old_secret_that_signs_no_more_is_asked_to_be_removed_once(rotating: Context) -> None:
    hear(rotating, "evt_1", OLD, ago=timedelta(days=3))
    hear(rotating, "evt_2", OLD, NEW, ago=timedelta(days=2))
    hear(rotating, "evt_3", NEW, ago=timedelta(hours=1))

    assert [look_for_old_secrets(rotating) for _ in range(2)] == [[1], [1]]
    (detail,) = asked(rotating.db)
    assert detail == (
        "Number 1 of the 2 secrets in BILLING_STRIPE_WEBHOOK_SECRETS has signed nothing for 24"
        " hours, while another has: remove it from the settings."
    )


def test_while_stripe_signs_with_both_neither_is_old(rotating: Context) -> None:
    hear(rotating, "evt_1", OLD, ago=timedelta(days=3))
    hear(rotating, "evt_2", OLD, NEW, ago=UNUSED - timedelta(minutes=1))

    assert look_for_old_secrets(rotating) == []


def test_a_secret_that_waits_to_be_used_is_not_old(rotating: Context) -> None:
    hear(rotating, "evt_1", OLD, ago=timedelta(days=3))
    hear(rotating, "evt_2", OLD, ago=timedelta(hours=1))

    assert look_for_old_secrets(rotating) == []


def test_of_a_day_on_which_nothing_came_nothing_is_said(rotating: Context) -> None:
    hear(rotating, "evt_1", OLD, ago=timedelta(days=3))
    hear(rotating, "evt_2", NEW, ago=timedelta(days=2))

    assert look_for_old_secrets(rotating) == []


def test_the_only_secret_is_never_old(quiet: Context) -> None:
    hear(quiet, "evt_1", b"whsec_long_gone", ago=timedelta(hours=1))

    assert look_for_old_secrets(quiet) == []
    with quiet.db.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(StripeEvent)) == 1
