"""With another account's key nothing we know is at Stripe: nothing of it may end for that."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from stripe import HTTPClient

from billing.context import Context, open_context
from billing.errors import StripeUnavailableError
from billing.models import BalanceTransaction, Cursor, ObjectLease, Subscription
from billing.reconciliation import poll_balance_transactions
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.sweep import sweep
from billing.settings import Settings
from billing.stripe_gateway.client import Gateway
from billing.stripe_gateway.whose import OtherAccountError, make_sure, refuse_another, remembered
from billing.subscriptions import look_again
from service import backlog
from service.cli.opening import refuse_another_account
from tests.support.reconciling import settle_all, subscribe
from tests.support.stripe import LocalStripe


def give_the_key_of_another(settings: Settings, stripe: LocalStripe) -> Context:
    """Begin a process at an account that has none of our objects, and is none of ours."""
    stripe.reset()
    opened = open_context(settings)
    with opened.db.unit_of_work() as session:
        mark = sa.update(Cursor).where(Cursor.name.startswith("account "))
        session.execute(mark.values(name="account acct_1Ours test"))
    return opened


def test_a_key_of_another_account_ends_no_subscription_walks_no_list_and_starts_no_worker(
    context: Context, settings: Settings, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    refuse_another_account(context)
    settle_all(context, stripe)
    with context.db.reading() as session:
        before = session.scalar(sa.select(Subscription.status))
        movements = session.scalar(sa.select(sa.func.count(BalanceTransaction.type)))

    wrong = give_the_key_of_another(settings, stripe)

    for _ in range(2):
        with pytest.raises(OtherAccountError, match="belongs to acct_1Ours test: put"):
            look_again(wrong, ours)
    assert sweep(wrong, since=BEGINNING).stopped.startswith("Stripe did not answer: BILLING_STRIPE")
    with pytest.raises(OtherAccountError):
        poll_balance_transactions(wrong)
    with pytest.raises(OtherAccountError):
        refuse_another_account(wrong)
    account = {each.about: each for each in backlog.look(settings)}["account"]
    assert (account.fine, account.says[-26:]) == (False, "correct BILLING_STRIPE_KEY")
    with wrong.db.reading() as session:
        assert session.scalar(sa.select(Subscription.status)) == before
        assert session.scalar(sa.select(sa.func.count(ObjectLease.gone_at))) == 0
        assert session.scalar(sa.select(sa.func.count(BalanceTransaction.type))) == movements
    wrong.db.close()


def test_what_is_gone_ends_once_the_key_is_known_to_be_ours_and_no_sooner(
    context: Context, settings: Settings, stripe: LocalStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = subscribe(context, stripe)
    settle_all(context, stripe)
    stripe.reset()
    again = open_context(settings)
    monkeypatch.setattr(HTTPClient, "INITIAL_DELAY", 0)
    stripe.control("fail_next", kind="dropped", path_prefix="/v1/account", times=3)

    with pytest.raises(StripeUnavailableError):
        look_again(again, ours)
    with again.db.reading() as session:
        assert session.scalar(sa.select(sa.func.count(ObjectLease.gone_at))) == 0
    look_again(again, ours)

    with again.db.reading() as session:
        assert remembered(session) == "acct_1LocalStripe0000000 test"
        assert session.scalars(sa.select(Subscription.status)).one() == "canceled"
        ended = session.scalars(sa.select(Subscription.ended_at)).one()
    assert ended is not None
    assert again.clock.now() - ended < timedelta(minutes=1)
    again.db.close()


def test_a_live_key_of_the_same_account_finds_nothing_of_what_a_test_key_began(
    context: Context, stripe: LocalStripe
) -> None:
    make_sure(context.db, context.gateway, now=context.clock.now())
    other_mode = Gateway(context.settings)
    other_mode.live = not context.gateway.live

    with pytest.raises(OtherAccountError, match="put the right key back"):
        refuse_another(context.db, other_mode)
