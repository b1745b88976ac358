"""Mail that cannot go now waits, and what can never go is asked of the staff."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from billing import queue
from billing.context import Context
from billing.models import OutboxMessage, OwedState
from billing.notices import SignIn
from billing.queue.owed import LOSSES_BEFORE_PARKING
from emails.deliver import ATTEMPTS, deliver_due
from emails.transports import SmtpTransport
from tests.emails.owed import ENDING, Owed, row, tasks
from tests.support.smtp import MailCatcher


def test_after_not_now_a_mail_is_tried_again_later_under_the_same_name(
    context: Context,
    transport: SmtpTransport,
    smtp: MailCatcher,
    owed: Owed,
    wait: Callable[[int], None],
) -> None:
    owed(ENDING)
    smtp.answer = "451 4.3.0 rosa@example.org: try again later"

    assert deliver_due(context, transport) == 1
    put_off = row(context)
    assert (put_off.state, put_off.attempts) == (OwedState.READY, 1)
    assert put_off.last_error == "451 4.3.0 <the address>: try again later"
    assert put_off.run_at > context.clock.now()

    smtp.forget()
    wait(5)
    assert deliver_due(context, transport) == 1
    assert row(context).state is OwedState.DONE
    assert [str(m["Message-ID"]) for m in smtp.messages] == [f"<{put_off.message_id}@localhost>"]
    assert tasks(context) == []


def test_a_mail_server_that_is_away_delays_the_whole_batch_and_loses_none(
    context: Context,
    transport: SmtpTransport,
    smtp: MailCatcher,
    owed: Owed,
    wait: Callable[[int], None],
) -> None:
    for number in range(3):
        owed(ENDING, fact=f"fact:{number}")
    nowhere = SmtpTransport(context.settings.mail.model_copy(update={"port": 1}))

    assert deliver_due(context, nowhere) == 3
    assert smtp.messages == []

    wait(5)
    assert deliver_due(context, transport) == 3
    assert len(smtp.messages) == 3


def test_after_never_a_mail_is_parked_at_once_and_the_staff_are_asked(
    context: Context, transport: SmtpTransport, smtp: MailCatcher, owed: Owed
) -> None:
    owed(ENDING, fact="ending:sub_1")
    smtp.answer = "550 5.1.1 <rosa@example.org>: no such person"

    deliver_due(context, transport)

    parked = row(context)
    assert (parked.state, parked.sent_at) == (OwedState.PARKED, None)
    detail = (
        "The mail subscription_ending about ending:sub_1 was not sent: 550 5.1.1 <<the "
        "address>>: no such person. The reader has not been told: correct the cause and send "
        "it again, or tell them another way."
    )
    assert tasks(context) == [("mail-bounced", detail)]


def test_after_three_days_of_not_now_the_staff_are_asked(
    context: Context, transport: SmtpTransport, smtp: MailCatcher, owed: Owed
) -> None:
    owed(ENDING)
    with context.db.unit_of_work() as session:
        session.execute(sa.update(OutboxMessage).values(attempts=ATTEMPTS - 1))
    smtp.answer = "451 later"

    deliver_due(context, transport)

    assert row(context).state is OwedState.PARKED
    assert [kind for kind, _ in tasks(context)] == ["mail-bounced"]


def test_the_longest_wait_is_an_hour_however_often_it_failed(
    context: Context, transport: SmtpTransport, smtp: MailCatcher, owed: Owed
) -> None:
    owed(ENDING)
    with context.db.unit_of_work() as session:
        session.execute(sa.update(OutboxMessage).values(attempts=ATTEMPTS - 2))
    smtp.answer = "451 later"

    deliver_due(context, transport)

    put_off = row(context)
    assert put_off.state is OwedState.READY
    assert put_off.run_at - context.clock.now() <= timedelta(hours=1)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"kind": "no_such_kind"},
        {"payload": {"plan": "Digital"}},
        {"payload": {"plan": "Digital", "ends_on": "2026-12-23", "extra": "rosa"}},
        {"payload": {"plan": "a" * 100_001, "ends_on": "2026-12-23"}},
        {"to_address": "rosa at example.org"},
    ],
    ids=["kind", "missing field", "extra field", "too large", "address"],
)
def test_what_cannot_be_written_is_parked_for_the_staff_and_stops_nothing_else(
    context: Context,
    transport: SmtpTransport,
    smtp: MailCatcher,
    owed: Owed,
    spoiled: dict[str, object],
) -> None:
    owed(ENDING, fact="spoiled")
    with context.db.unit_of_work() as session:
        session.execute(sa.update(OutboxMessage).values(**spoiled))
    owed(ENDING, fact="sound")

    assert deliver_due(context, transport) == 2

    with context.db.reading() as session:
        states = dict(session.execute(sa.select(OutboxMessage.fact, OutboxMessage.state)).all())
    assert states == {"spoiled": OwedState.PARKED, "sound": OwedState.DONE}
    assert [kind for kind, _ in tasks(context)] == ["mail-unwritable"]
    assert len(smtp.messages) == 1


def test_a_sign_in_link_that_has_run_out_is_not_sent_and_is_nobodys_task(
    context: Context,
    transport: SmtpTransport,
    smtp: MailCatcher,
    owed: Owed,
    wait: Callable[[int], None],
) -> None:
    owed(SignIn(link="http://x", code="", expires_at=context.clock.now() + timedelta(minutes=20)))
    wait(1201)

    deliver_due(context, transport)

    assert row(context).state is OwedState.PARKED
    assert (smtp.messages, tasks(context)) == ([], [])


def test_a_mail_that_ends_its_worker_each_time_is_set_aside_and_the_staff_told(
    context: Context, transport: SmtpTransport, smtp: MailCatcher, owed: Owed
) -> None:
    owed(ENDING)
    now = context.clock.now() - timedelta(hours=1)
    with context.db.unit_of_work() as session:
        session.execute(sa.update(OutboxMessage).values(run_at=now))
    for _ in range(LOSSES_BEFORE_PARKING):  # each dies with it in hand, and its lease runs out
        with context.db.unit_of_work() as session:
            queue.claim_due(session, OutboxMessage, now=now)
        now += timedelta(minutes=3)

    assert deliver_due(context, transport) == 1

    assert (row(context).state, smtp.messages) == (OwedState.PARKED, [])
    ((kind, detail),) = tasks(context)
    assert (kind, "3 workers died with it in hand" in detail) == ("mail-unwritable", True)
