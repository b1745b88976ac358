"""The office's pages and files, through the front door."""

import csv
import io
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import office, sign_in
from billing.context import Context
from billing.models import AuditRecord, BalanceTransaction, Role, Task
from billing.reports.month import month_at
from billing.tasks import raise_task
from tests.billing.books.movements import a_payment, a_subscription_payment, moved

JUNE_MIDNIGHT = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)


def enter(client: TestClient, context: Context, role: Role = Role.FINANCE) -> str:
    """Sign somebody of this role in; return who they are in the audit trail."""
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        staff = office.add_staff(
            session,
            email=f"{role.value}@example.org",
            name="Rosa",
            role=role,
            actor="test",
            now=now,
        )
        client.cookies.set("staff", sign_in.begin_session(session, staff_id=staff.id, now=now))
    return f"staff:{staff.id}"


def some_of_june_and_july(context: Context) -> None:
    with context.db.unit_of_work() as session:
        june = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
        gift = a_payment(session, payer="=cmd|'/c calc'!A1", at=june)
        moved(session, gift, 25_00, fee=58, at=june)
        moved(session, gift, -10_00, category="refund", at=june)
        moved(session, a_subscription_payment(session, at=JUNE_MIDNIGHT), 5_49, at=JUNE_MIDNIGHT)


def cells(page: str) -> list[list[str]]:
    """Return the rows of the page's first table."""
    table = page[page.index("<table") : page.index("</table>") + len("</table>")]
    rows = ET.fromstring(table.replace("&nbsp;", " ")).iter("tr")  # noqa: S314
    return [["".join(cell.itertext()).strip() for cell in row] for row in rows]


def test_a_stranger_is_asked_to_sign_in_to_the_office(client: TestClient) -> None:
    for path in ("/office", "/office/receipts", "/office/tasks", "/office/exports/payments.csv"):
        answer = client.get(path)

        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/office/sign-in?next=%2Foffice")


def test_finance_sees_a_months_receipts_by_fund_with_their_totals(
    client: TestClient, context: Context
) -> None:
    some_of_june_and_july(context)
    enter(client, context)

    page = client.get("/office/receipts", params={"month": "2026-06"}).text

    minus = "\N{MINUS SIGN}"
    assert cells(page)[1:] == [
        ["4910 95th Anniversary Appeal", "appeal-95", "1", "£25.00", f"{minus}£10.00", "£0.00",
         "£0.58", "£14.42"],
        ["Total", "1", "£25.00", f"{minus}£10.00", "£0.00", "£0.58", "£14.42"],
    ]  # fmt: skip
    assert "Agrees with the ledger" in page
    assert "People&#39;s Press Printing Society Limited" in page
    assert "1 to 30 June 2026, London days (Europe/London)" in page
    assert "by Rosa (finance)" in page
    assert "DRAFT: this period is not locked" in page
    assert "1 July 2026, 00:30: the newest movement at Stripe we know of" in page


def test_a_month_that_does_not_agree_says_so_in_its_heading_and_on_its_line(
    client: TestClient, context: Context
) -> None:
    some_of_june_and_july(context)
    with context.db.unit_of_work() as session:
        txn = session.scalars(sa.select(BalanceTransaction).limit(1)).one()
        txn.amount, txn.net = txn.amount + 1, txn.net + 1
        month = month_at(txn.created_at).key
    enter(client, context)

    page = client.get("/office/receipts", params={"month": month}).text

    assert "Does not agree with the ledger" in page
    assert page.count("DIFFERS") == 3


def test_half_past_eleven_utc_on_the_last_of_june_is_in_july(
    client: TestClient, context: Context
) -> None:
    some_of_june_and_july(context)
    enter(client, context)

    page = client.get("/office/receipts", params={"month": "2026-07"}).text

    assert [row[:3] for row in cells(page)[1:2]] == [["4000 Digital subscriptions", "digital", "1"]]


def test_the_chart_is_drawn_on_the_server_and_has_words_for_those_who_cannot_see_it(
    client: TestClient, context: Context
) -> None:
    some_of_june_and_july(context)
    enter(client, context)

    page = client.get("/office/receipts", params={"month": "2026-06"}).text

    figure = page[page.index("<figure") : page.index("</figure>")]
    assert '<svg role="img" aria-labelledby="chart-title" aria-describedby="chart-desc"' in figure
    assert "95th Anniversary Appeal: £15.00." in figure
    assert '<rect class="bar" x="0" y="29" width="100.0%" height="16"/>' in figure
    assert "style=" not in page
    assert "<script" not in page


def test_the_office_opens_on_this_month_even_when_nothing_has_happened(
    client: TestClient, context: Context
) -> None:
    enter(client, context)

    answer = client.get("/office")

    assert answer.status_code == 200
    assert "Nothing came in and nothing went back" in answer.text


def test_a_month_that_has_not_begun_says_so_and_stays_chosen(
    client: TestClient, context: Context
) -> None:
    enter(client, context)

    page = client.get("/office/receipts", params={"month": "2099-12"}).text

    assert "December 2099 has not begun." in page
    assert "DRAFT: this month has not begun" in page
    assert '<option value="2099-12" selected>December 2099</option>' in page
    assert page.count(" selected>") == 1


@pytest.mark.parametrize("path", ["/office/receipts", "/office/exports/payments.csv"])
@pytest.mark.parametrize("month", ["2026-13", "yesterday", "2026-11'--", "9" * 400])
def test_a_bad_month_is_refused_with_how_to_write_one(
    client: TestClient, context: Context, path: str, month: str
) -> None:
    enter(client, context)

    answer = client.get(path, params={"month": month})

    assert answer.status_code == 400
    assert "write the year and the month in the address" in answer.text


def test_the_file_is_whole_harmless_and_written_into_the_audit_trail(
    client: TestClient, context: Context
) -> None:
    some_of_june_and_july(context)
    who = enter(client, context)

    answer = client.get("/office/exports/payments.csv", params={"month": "2026-06"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="payments-2026-06.csv"'
    assert answer.headers["cache-control"] == "private, no-store"
    read = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    payers = [row[3] for row in read if row[1] in {"Payment", "Refund"}]
    assert payers == ["'=cmd|'/c calc'!A1"] * 2
    assert read[-1][:2] == ["End of report", "agrees with the ledger"]
    with context.db.reading() as session:
        said = session.scalars(sa.select(AuditRecord).where(AuditRecord.action == "exported")).all()
    assert [(one.actor, one.subject) for one in said] == [(who, "payments-2026-06.csv")]


def test_the_page_and_both_files_say_the_same_of_the_same_month(
    client: TestClient, context: Context
) -> None:
    some_of_june_and_july(context)
    enter(client, context)

    def read(name: str) -> list[list[str]]:
        file = client.get(f"/office/exports/{name}.csv", params={"month": "2026-06"}).content
        return list(csv.reader(io.StringIO(file.decode("utf-8-sig"), newline="")))

    page = cells(client.get("/office/receipts", params={"month": "2026-06"}).text)
    (total,) = [row for row in read("payments") if row[0] == "Total"]
    (appeal,) = [row for row in read("trial-balance") if row[0] == "4910"]
    assert page[-1][2] == f"£{total[7]}"
    assert (appeal[5], appeal[6]) == ("10.00", "-25.00")
    assert (total[8], total[7]) == ("-10.00", "25.00")


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.EDITOR])
def test_who_is_not_of_finance_sees_tasks_and_no_money(
    client: TestClient, context: Context, role: Role
) -> None:
    enter(client, context, role)

    assert client.get("/office").headers["location"] == "/office/tasks"
    assert client.get("/office/receipts").status_code == 403
    assert client.get("/office/exports/payments.csv").status_code == 403
    tasks = client.get("/office/tasks")
    assert tasks.status_code == 200
    assert "/office/receipts" not in tasks.text


def test_there_is_no_other_file(client: TestClient, context: Context) -> None:
    enter(client, context)

    assert client.get("/office/exports/readers.csv").status_code == 404


def a_task(context: Context) -> int:
    with context.db.unit_of_work() as session:
        raise_task(
            session,
            "unallocated-receipt",
            subject="txn_1",
            detail="£12.00 waits in unallocated receipts.",
            now=context.clock.now(),
        )
        return session.scalars(sa.select(Task.id)).one()


def test_a_task_is_shown_counted_and_closed_once_by_somebody_with_a_name(
    client: TestClient, context: Context
) -> None:
    task_id = a_task(context)
    who = enter(client, context)
    page = client.get("/office/tasks").text
    assert "£12.00 waits in unallocated receipts." in page
    assert "Tasks (1)" in page
    assert "1 open task<" in client.get("/office").text

    for _ in range(2):
        answer = client.post(f"/office/tasks/{task_id}/close")
        assert (answer.status_code, answer.headers["location"]) == (303, "/office/tasks")

    assert "Nothing waits for you." in client.get("/office/tasks").text
    with context.db.reading() as session:
        said = session.scalars(
            sa.select(AuditRecord).where(AuditRecord.action == "task closed")
        ).all()
    assert [(one.actor, one.detail) for one in said] == [
        (who, {"kind": "unallocated-receipt", "about": "txn_1"})
    ]


def test_an_auditor_sees_everything_and_changes_nothing(
    client: TestClient, context: Context
) -> None:
    task_id = a_task(context)
    enter(client, context, Role.AUDITOR)

    assert client.get("/office/receipts").status_code == 200
    assert client.get("/office/exports/trial-balance.csv").status_code == 200
    assert "/close" not in client.get("/office/tasks").text
    assert client.post(f"/office/tasks/{task_id}/close").status_code == 403
    with context.db.reading() as session:
        assert session.scalars(sa.select(Task.closed_at)).one() is None


def test_every_mail_can_be_read_before_any_reader_does(
    client: TestClient, context: Context
) -> None:
    enter(client, context)

    page = client.get("/office/mail")
    assert page.status_code == 200
    mail = client.get("/office/mail/donation_thanks")
    assert mail.status_code == 200
    assert mail.headers.get_list("content-security-policy") == [
        (
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none';"
            " sandbox"
        )
    ]
    assert client.get("/office/mail/nonsense").status_code == 404
