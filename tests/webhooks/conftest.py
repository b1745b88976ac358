"""Stripe's door alone: no local Stripe is needed to knock at it."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from billing.catalogue.data import load
from billing.clock import Clock
from billing.context import Context
from billing.db import Database
from billing.models import OwedState, StripeEvent, Task
from billing.settings import Settings
from billing.stripe_gateway.client import Gateway
from tests.conftest import WEBHOOK_SECRET
from webhooks import router, signature

SECRET = WEBHOOK_SECRET.encode()


def event_of(
    event_id: str = "evt_1", event_type: str = "customer.created", **changed: Any
) -> dict[str, Any]:
    """Write an event, by default about a customer nobody here knows."""
    return {
        "id": event_id,
        "object": "event",
        "type": event_type,
        "api_version": "2026-10-28.endive",
        "created": 1_763_892_000,
        "livemode": False,
        "data": {"object": {"id": "cus_1", "object": "customer"}},
        **changed,
    }


def signed(body: bytes, *, at: float | None = None, secret: bytes = SECRET) -> dict[str, Any]:
    """Return what a client sends with a body Stripe signed."""
    stamp = int(time.time() if at is None else at)
    header = signature.sign(body, secret=secret, at=stamp)
    return {"content": body, "headers": {"stripe-signature": header.decode()}}


def application(context: Context) -> FastAPI:
    """Stripe's door and nothing else."""
    app = FastAPI(redirect_slashes=False)
    app.include_router(router.build(router.Door(context)))
    return app


@pytest.fixture
def quiet(db: Database, settings: Settings, clock: Clock) -> Context:
    """A hold on the world in which nobody calls Stripe."""
    return Context(
        db=db,
        settings=settings,
        catalogue=load(settings.catalogue),
        gateway=Gateway(settings),
        clock=clock,
    )


@pytest.fixture
def door(quiet: Context) -> Iterator[TestClient]:
    with TestClient(application(quiet), follow_redirects=False) as client:
        yield client


Deliver = Callable[..., Any]


@pytest.fixture
def deliver(door: TestClient) -> Deliver:
    """Deliver one event as Stripe would, and return the answer's status."""

    def send(event: dict[str, Any]) -> int:
        return door.post(router.PATH, **signed(json.dumps(event).encode())).status_code

    return send


def stored(db: Database) -> list[tuple[str, str, OwedState, str]]:
    with db.reading() as session:
        rows = session.scalars(sa.select(StripeEvent).order_by(StripeEvent.id))
        return [(row.account, row.event_id, row.state, row.outcome) for row in rows]


def tasks(db: Database) -> list[tuple[str, str]]:
    with db.reading() as session:
        return [(t.kind, t.subject) for t in session.scalars(sa.select(Task).order_by(Task.id))]


def with_settings(context: Context, **changed: Any) -> Context:
    changed_settings = context.settings.model_copy(update=changed)
    return Context(context.db, changed_settings, context.catalogue, context.gateway, context.clock)
