"""What readers pay from is compared like everything else, though no webhook spoke of it."""

from typing import Any

import sqlalchemy as sa

from billing.context import Context
from billing.models import PaymentMethod
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.sweep import sweep
from billing.reconciliation.verify import verify
from tests.billing.checkout.bank import agree, settle_again
from tests.support.stripe import LocalStripe
from tests.support.subscriber import PAYS, look, mails, subscribe


def method(context: Context) -> PaymentMethod:
    with context.db.reading() as session:
        return session.scalars(sa.select(PaymentMethod)).one()


def agreed(context: Context, stripe: LocalStripe) -> None:
    stripe.advance(seconds=700)
    assert sweep(context, since=BEGINNING).exit_code in (0, 1)
    assert verify(context, since=BEGINNING).exit_code == 0


def found(context: Context) -> list[tuple[str, str]]:
    report = verify(context, since=BEGINNING)
    return [(drift.kind, drift.object_id) for drift in report.mirror.drifts]


def test_a_card_that_was_replaced_unheard_is_found_and_its_new_days_are_kept(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    look(context)
    agreed(context, stripe)
    known = method(context)

    stripe.rewrite(
        known.stripe_payment_method_id, card__exp_year=2044, card__exp_month=2, card__last4="1881"
    )

    assert found(context) == [("payment_method", known.stripe_payment_method_id)]
    sweep(context, since=None)
    renewed = method(context)
    assert (renewed.label, str(renewed.expires_on)) == ("Visa ending 1881", "2044-02-29")
    assert found(context) == []


def test_a_method_that_is_gone_unheard_is_found_and_forgotten(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    look(context)
    agreed(context, stripe)
    known = method(context).stripe_payment_method_id

    stripe.rewrite(known, object="nothing")

    assert ("payment_method", known) in found(context)


def test_a_mandate_that_ended_unheard_is_found_and_its_reader_asked_once(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = agree(by_debit, stripe, PAYS)
    stripe.advance(days=14)
    settle_again(by_debit, started)
    look(by_debit)
    agreed(by_debit, stripe)
    mandate = method(by_debit).mandate_id
    assert method(by_debit).mandate_status == "active"

    stripe.control(f"mandates/{mandate}/cancel")

    stripe.advance(seconds=700)
    assert ("mandate", mandate) in found(by_debit)
    for _ in range(2):
        report: Any = sweep(by_debit, since=None)
        assert report.stopped == ""
    assert method(by_debit).mandate_status == "inactive"
    assert mails(by_debit).count("mandate_ended") == 1
    assert found(by_debit) == []
