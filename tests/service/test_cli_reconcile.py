"""`billing reconcile`, `verify` and `adopt`: what they say, and the exit codes others act on."""

import pytest
import sqlalchemy as sa

from billing import checkout
from billing.context import Context
from billing.models import AuditRecord, Feed, Repair, Subscription, Verification
from tests.service.conftest import Run
from tests.support.stripe import LocalStripe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


def test_reconcile_says_what_differs_puts_it_right_and_then_agrees(
    billing: Run, context: Context, stripe: LocalStripe
) -> None:
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url)
    theirs = stripe.client.v1.subscriptions.list().data[0].id
    stripe.advance(seconds=700)

    said = billing("reconcile", "--dry-run")
    assert said.returncode == 1
    assert f"subscription {theirs}: not repaired" in said.stdout
    held = billing("reconcile", "--most-readers", "0")
    assert (held.returncode, "--most-readers 1" in held.stdout) == (1, True)
    with context.db.reading() as session:
        assert session.scalars(sa.select(Subscription.id)).all() == []

    mended = billing("reconcile", "--full")

    assert mended.returncode == 1
    assert f"subscription {theirs}: repaired" in mended.stdout
    with context.db.reading() as session:
        assert set(session.scalars(sa.select(Repair.feed))) == {Feed.HAND}
        acts = session.scalars(sa.select(AuditRecord.action).order_by(AuditRecord.id)).all()
        assert acts[-2:] == ["reconciled", "reconciled"]
    again = billing("reconcile")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "no difference")
    verified = billing("verify")
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.rstrip().endswith("NO DIFFERENCE")
    with context.db.reading() as session:
        assert session.scalars(sa.select(Verification.differences)).all() == [0]


def test_without_an_answer_of_stripes_reconcile_and_verify_say_that_they_could_not_look(
    billing: Run, context: Context
) -> None:
    nowhere = {"BILLING_STRIPE_API_BASE": "http://localhost:9"}

    for command in ("reconcile", "verify"):
        said = billing(command, **nowhere)
        assert (said.returncode, "STOPPED" in said.stdout) == (2, True), said


def test_adopting_says_first_what_would_become_of_an_account(
    billing: Run, context: Context, stripe: LocalStripe
) -> None:
    said = billing("adopt", "--dry-run")

    assert (said.returncode, said.stdout.splitlines()[-1]) == (0, "nothing was written")
    done = billing("adopt")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "adopted; all agrees with Stripe")
