"""A doctor tells what has got stuck, and who should be at work and is not."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from billing.context import Context
from billing.models import Heartbeat, OwedState, StripeEvent
from billing.stripe_gateway import commands
from service import backlog


def says(context: Context) -> dict[str, tuple[bool, str]]:
    return {each.about: (each.fine, each.says) for each in backlog.look(context.settings)}


def test_it_says_what_is_stuck_and_when_nobody_works(context: Context) -> None:
    well = says(context)
    assert well["queues"] == (True, "nothing is stuck")
    assert well["worker"] == (True, "never seen yet; run `billing worker`")

    now = context.clock.now()
    old = {
        "type": "invoice.paid",
        "livemode": False,
        "created_at": now,
        "received_at": now - timedelta(hours=1),
        "headers": {},
        "body": b"{}",
        "run_at": now - timedelta(hours=1),
    }
    with context.db.unit_of_work() as session:
        session.add(StripeEvent(event_id="evt_1", state=OwedState.PARKED, **old))
        session.add(StripeEvent(event_id="evt_2", state=OwedState.READY, **old))
        replayed = {**old, "run_at": now, "received_at": now - timedelta(days=90)}
        session.add(StripeEvent(event_id="evt_3", state=OwedState.READY, **replayed))
        session.add(Heartbeat(name="here", at=datetime.now(UTC) - timedelta(minutes=5)))
        commands.decide(session, "x.y", subject="z", params={}, now=now - timedelta(hours=1))

    ill = [(each.about, each.says[:20]) for each in backlog.look(context.settings) if not each.fine]
    assert [about for about, _ in ill] == ["worker", "events", "events", "commands"]
    assert [told for _, told in ill[1:]] == [
        "1 set aside; read th",
        "1 waiting for more t",
        "1 of unknown outcome",
    ]
    with context.db.unit_of_work() as session:
        session.execute(sa.update(Heartbeat).values(at=datetime.now(UTC)))
    assert says(context)["worker"] == (True, "at work")
