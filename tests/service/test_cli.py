"""The `billing` command: what it does, and how it says what is wrong."""

import csv
import io
import json
import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from billing.context import Context
from billing.db import Database
from billing.models import AuditRecord, Cursor, Feed, OwedState, Staff, StripeEvent
from billing.stripe_gateway.client import API_VERSION
from tests.service.conftest import Run
from tests.support.smtp import MailCatcher
from tests.support.stripe import LocalStripe
from tests.webhooks.conftest import event_of
from webhooks import event, inbox
from webhooks.dispatch import TYPES
from webhooks.record import record

URL = "http://localhost:8000/webhooks/stripe"

# On one database: the commands say the same on both, and each is a process of its own. The test of
# the installed wheel takes the other.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


def forget_version(database_url: str) -> None:
    """Make a database one of no version."""
    database = Database(database_url)
    with database.unit_of_work() as session:
        session.execute(sa.text("DROP TABLE alembic_version"))
    database.close()


def audited(db: Database) -> list[tuple[str, str]]:
    with db.reading() as session:
        rows = session.scalars(sa.select(AuditRecord).order_by(AuditRecord.id))
        return [(row.actor, row.action) for row in rows]


def test_migrating_twice_changes_nothing(billing: Run, database_url: str) -> None:
    done = billing("migrate")

    assert (done.returncode, done.stdout) == (0, "the database was already at version 0003\n")


def test_a_new_database_is_made_where_the_settings_name_it(billing: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/not/yet/there.db"

    assert billing("migrate", BILLING_DATABASE_URL=url).returncode == 0
    assert (tmp_path / "not/yet/there.db").is_file()


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_nothing_starts_on_a_database_of_another_version(
    command: str, billing: Run, database_url: str
) -> None:
    forget_version(database_url)

    refused = billing(command)

    assert refused.returncode == 1
    assert refused.stderr.endswith("run `billing migrate`\n")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_nothing_starts_with_unsafe_settings_and_each_is_named_with_its_cure(
    command: str, billing: Run
) -> None:
    refused = billing(
        command,
        BILLING_SECRET_KEY="placeholder",
        BILLING_PUBLIC_URL="http://support.example.org",
        BILLING_STRIPE_WEBHOOK_SECRETS='["whsec_1", " "]',
    )

    assert refused.returncode == 1
    named = [line.split(":")[0].strip() for line in refused.stderr.splitlines()[1:]]
    assert named == [
        "BILLING_PUBLIC_URL",
        "BILLING_SECRET_KEY",
        "BILLING_STRIPE_WEBHOOK_SECRETS",
    ]


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_nothing_starts_with_the_key_of_another_account(
    command: str, billing: Run, context: Context
) -> None:
    with context.db.unit_of_work() as session:
        session.execute(sa.delete(Cursor).where(Cursor.name.startswith("account ")))
        session.add(Cursor(name="account acct_1Ours test", at=context.clock.now()))

    refused = billing(command)

    assert refused.returncode == 1
    assert "this database belongs to acct_1Ours test: put the right key back" in refused.stderr


def test_a_live_key_speaks_to_stripe_alone(billing: Run) -> None:
    refused = billing("serve", BILLING_STRIPE_KEY="sk_live_only_for_tests")

    assert refused.returncode == 1
    named = {line.split(":")[0].strip() for line in refused.stderr.splitlines()[1:]}
    assert {"BILLING_STRIPE_API_BASE", "BILLING_CLOCK_OFFSET_FILE"} < named
    assert "sk_live" not in refused.stderr


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"BILLING_PAYWALL__LIMIT": "many"}, "billing: BILLING_PAYWALL__LIMIT: Input should be"),
        ({"BILLING_ENV_FILE": "/nowhere/at.all"}, "billing: BILLING_ENV_FILE: there is no file"),
        ({"BILLING_CATALOGUE": "/nowhere/at.all"}, "billing: "),
        (
            {"BILLING_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none_test"},
            "billing: postgresql://nobody@127.0.0.1:1/none_test does not answer",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    changed: dict[str, str], said: str, billing: Run
) -> None:
    refused = billing("worker", **changed)

    assert refused.returncode == 1
    assert refused.stderr.startswith(said)
    assert len(refused.stderr.splitlines()) == 1


def test_the_catalogue_is_pushed_and_pushed_again(billing: Run, stripe: LocalStripe) -> None:
    first, second = billing("catalogue", "push"), billing("catalogue", "push")

    assert (first.returncode, second.returncode) == (0, 0)
    assert "digital-month-standard: created price_" in first.stdout
    assert second.stdout == "Stripe and the catalogue agree.\n"


def test_the_endpoint_is_registered_once_and_its_secret_told_once(
    billing: Run, stripe: LocalStripe
) -> None:
    first = billing("webhook", "register", "--url", URL)
    second = billing("webhook", "register", "--url", URL)

    (endpoint,) = stripe.client.v1.webhook_endpoints.list().data
    assert (endpoint.url, endpoint.api_version) == (URL, API_VERSION)
    assert endpoint.enabled_events == list(TYPES)
    name, _, secrets = first.stdout.strip().partition("=")
    assert (name, json.loads(secrets)[0][:6]) == ("BILLING_STRIPE_WEBHOOK_SECRETS", "whsec_")
    assert (second.returncode, second.stdout) == (0, "")


def test_an_endpoint_that_misses_events_is_put_right(billing: Run, stripe: LocalStripe) -> None:
    stripe.client.v1.webhook_endpoints.create({"url": URL, "enabled_events": ["invoice.paid"]})

    assert billing("webhook", "register", "--url", URL).returncode == 0

    (endpoint,) = stripe.client.v1.webhook_endpoints.list().data
    assert endpoint.enabled_events == list(TYPES)


def test_a_doctor_finds_everything_well_and_then_each_illness(
    billing: Run, stripe: LocalStripe, smtp: MailCatcher
) -> None:
    billing("webhook", "register", "--url", URL)
    unsold = billing("doctor")
    billing("catalogue", "push")
    well = billing("doctor")
    ill = billing("doctor", BILLING_MAIL__PORT="1", BILLING_PUBLIC_URL="http://localhost:8001")

    assert unsold.returncode == 1
    assert "FAIL prices: not on sale at Stripe: digital-month-concession," in unsold.stdout
    assert "; run `billing catalogue push`" in unsold.stdout
    assert well.returncode == 0, well.stdout
    assert {line[:4] for line in well.stdout.splitlines()} == {"ok  "}
    assert ill.returncode == 1
    failed = [line for line in ill.stdout.splitlines() if line.startswith("FAIL")]
    assert [line.split(":")[0] for line in failed] == ["FAIL webhook", "FAIL mail"]
    assert "billing webhook register --url http://localhost:8001/webhooks/stripe" in failed[0]


def test_a_doctor_looks_on_where_stripe_and_the_database_are_gone(billing: Run) -> None:
    ill = billing(
        "doctor",
        BILLING_STRIPE_API_BASE="http://127.0.0.1:1",
        BILLING_DATABASE_URL="postgresql://nobody:hunter2@127.0.0.1:1/none_test",
        BILLING_MAIL__PORT="1",
    )

    failed = [line.split(":")[0] for line in ill.stdout.splitlines() if line.startswith("FAIL")]
    assert (ill.returncode, failed) == (1, ["FAIL database", "FAIL Stripe", "FAIL mail"])
    assert "hunter2" not in ill.stdout


def test_staff_are_added_and_let_in_by_a_link(billing: Run, db: Database, settings: object) -> None:
    added = billing("staff", "add", "Ada@example.org", "--name", "Ada", "--role", "finance")
    link = billing("staff", "link", "ada@example.org")

    assert (added.returncode, link.returncode) == (0, 0)
    assert link.stdout.startswith("http://localhost:8000/office/sign-in/")
    with db.reading() as session:
        assert session.scalars(sa.select(Staff.email)).all() == ["ada@example.org"]
    assert audited(db) == [
        ("command line", "staff added"),
        ("command line", "sign-in link issued"),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("staff", "add", "ada@example.org", "--name", "A", "--role", "boss"), "there is no role"),
        (("staff", "add", "nobody", "--name", "A", "--role", "admin"), "An email address must"),
        (("staff", "link", "ada@example.org"), "ada@example.org is not in the office"),
        (("replay", "evt_none"), "there is no event evt_none"),
        (("replay",), "name one event, or --since when"),
        (("replay", "--since", "yesterday"), "yesterday is no moment"),
        (("replay", "--since", "0001-01-01T00:00+14:00"), "0001-01-01T00:00+14:00 is no moment"),
        (("replay", "--since", "9999-12-31T12:00"), "9999-12-31T12:00 is no moment"),
        (("export", "payments", "--month", "2026-13"), "not a month: '2026-13'"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    arguments: tuple[str, ...], said: str, billing: Run
) -> None:
    refused = billing(*arguments)

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"billing: {said}")
    assert len(refused.stderr.splitlines()) == 1


def test_an_event_is_owed_again_and_it_is_written_down_who_asked(
    billing: Run, context: Context
) -> None:
    body = json.dumps(event_of()).encode()
    with context.db.unit_of_work() as session:
        said = event.read(body)
        now = context.clock.now()
        record(
            session,
            said,
            body=body,
            headers={},
            feed=Feed.WEBHOOK,
            subject="",
            settings=context.settings,
            now=now,
        )
    inbox.handle_due(context, most=1)

    assert billing("replay", "evt_1").returncode == 0

    with context.db.reading() as session:
        row = session.scalars(sa.select(StripeEvent)).one()
    assert (row.state, row.outcome) == (OwedState.READY, "")
    inbox.handle_due(context, most=1)

    everything = billing("replay", "--since", "2026-07-01T00:00")

    assert everything.stdout == "owed again: 1, all since 30 June 2026, 23:00 UTC\n"
    assert audited(context.db) == [
        ("command line", "event replayed"),
        ("command line", "events replayed"),
    ]


@pytest.mark.parametrize("report", ["payments", "trial-balance"])
def test_a_report_is_the_same_on_the_screen_and_in_a_file_and_whole(
    report: str, billing: Run, db: Database, tmp_path: Path
) -> None:
    out = tmp_path / "report.csv"
    shown = billing("export", report, "--month", "2026-11")
    written = billing("export", report, "--month", "2026-11", "--out", str(out))

    assert (shown.returncode, written.returncode, written.stdout) == (0, 0, "")
    rows = list(csv.reader(io.StringIO(out.read_text("utf-8-sig"))))
    assert rows[-1][:2] == ["End of report", "agrees with the ledger"]
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".part"] == []
    assert audited(db) == [("command line", "exported")] * 2


def test_a_report_written_through_a_link_leaves_the_link_as_it_was(
    billing: Run, tmp_path: Path
) -> None:
    real, link = tmp_path / "report.csv", tmp_path / "latest.csv"
    link.symlink_to(real)

    billing("export", "payments", "--month", "2026-11", "--out", str(link))

    assert link.readlink() == real
    assert real.read_text("utf-8-sig").splitlines()[-1].startswith("End of report")


@pytest.mark.parametrize("place", [".", "nowhere/report.csv", "pipe"])
def test_a_report_that_cannot_be_written_there_is_refused_and_has_not_left(
    place: str, billing: Run, db: Database, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")  # what is no file must not be replaced by one, /dev/null least
    out = tmp_path / place
    refused = billing("export", "payments", "--month", "2026-11", "--out", str(out))

    assert refused.returncode == 1
    said = f"billing: cannot write {out}: name a file, in a directory that is there\n"
    assert refused.stderr == said
    assert list(tmp_path.parent.glob("*.part")) == []
    assert audited(db) == []
