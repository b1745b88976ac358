"""What is of another mode or of another account is kept apart, and never handled."""

import json

from fastapi.testclient import TestClient

from billing.context import Context
from billing.db import Database
from billing.models import OwedState
from tests.webhooks.conftest import (
    Deliver,
    application,
    event_of,
    signed,
    stored,
    tasks,
    with_settings,
)
from webhooks.router import PATH


def test_an_event_of_the_other_mode_is_kept_apart_and_the_staff_told_once(
    db: Database, deliver: Deliver
) -> None:
    answers = [deliver(event_of(f"evt_{n}", livemode=True)) for n in (1, 2)]

    assert answers == [200, 200]
    assert stored(db) == [
        ("", "evt_1", OwedState.DONE, "quarantined: live mode"),
        ("", "evt_2", OwedState.DONE, "quarantined: live mode"),
    ]
    assert tasks(db) == [("quarantined-event", "live mode")]


def test_an_event_of_another_account_is_kept_apart(db: Database, deliver: Deliver) -> None:
    assert deliver(event_of(account="acct_other")) == 200
    assert deliver(event_of()) == 200

    assert stored(db) == [
        ("acct_other", "evt_1", OwedState.DONE, "quarantined: account acct_other"),
        ("", "evt_1", OwedState.READY, ""),
    ]
    assert tasks(db) == [("quarantined-event", "account acct_other")]


def test_our_own_account_by_its_name_is_our_own(quiet: Context) -> None:
    named = with_settings(quiet, stripe_account="acct_ours")
    with TestClient(application(named)) as door:
        for event in (event_of(account="acct_ours"), event_of()):
            door.post(PATH, **signed(json.dumps(event).encode()))

    assert stored(quiet.db) == [("", "evt_1", OwedState.READY, "")]
