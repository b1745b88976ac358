"""What a person sees when something cannot be done."""

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from billing import errors
from billing.context import Context
from billing.models import Task
from billing.web.app import create_app
from billing.web.dependencies import SessionDep
from billing.web.errors import status_and_page
from billing.web.security import headers_for
from tests.support.pages import Page


@pytest.fixture
def app(context: Context) -> FastAPI:
    return create_app(context)


def browse(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://localhost:8000", raise_server_exceptions=False)


def test_a_commit_that_fails_is_never_answered_as_a_success(app: FastAPI) -> None:
    @app.post("/test/commit")
    def commit_fails(session: SessionDep) -> str:
        # Deferred to the commit: the foreign key of a posting to its journal entry.
        session.execute(
            sa.text(
                "INSERT INTO posting (entry_id, account_code, fund, amount, currency, day)"
                " VALUES ('00000000000040008000000000000000', '1240', '', 1, 'gbp', '2026-11-23')"
            )
        )
        return "done"

    answer = browse(app).post("/test/commit")

    assert answer.status_code == 500
    assert Page(answer.text).titles("h1") == ["Something went wrong at our end"]


def test_a_fault_of_ours_says_so_and_carries_the_protective_headers(
    app: FastAPI, context: Context
) -> None:
    @app.get("/test/fault")
    def fault() -> None:
        raise ZeroDivisionError

    answer = browse(app).get("/test/fault")

    assert answer.status_code == 500
    assert "Something went wrong at our end" in Page(answer.text).words
    for name, value in headers_for(context.settings).items():
        assert answer.headers[name] == value


def test_a_database_that_does_not_answer_is_said_to_be_busy(app: FastAPI) -> None:
    @app.get("/test/down")
    def down() -> None:
        raise sa.exc.OperationalError("select", {}, Exception("no route"))

    answer = browse(app).get("/test/down")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert Page(answer.text).titles("h1") == ["We are busy for a moment"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.UnknownPlanError("x"), (404, "unknown_plan")),
        (errors.UnknownAppealError("x"), (404, "unknown_appeal")),
        (errors.ClosedAppealError("x"), (409, "closed_appeal")),
        (errors.AmountError("x"), (422, "amount")),
        (errors.AlreadySubscribedError("x"), (409, "already_subscribed")),
        (errors.RefusedError("x"), (400, "refused")),
        (errors.StripeUnavailableError("x"), (503, "stripe_unavailable")),
        (errors.StripeRefusedError("x"), (503, "stripe_unavailable")),
        (errors.BusyError("x"), (503, "busy")),
        (errors.StaleReadError("x"), (503, "busy")),
        (errors.UnknownReaderError("x"), (500, "failed")),
    ],
)
def test_each_refusal_has_its_status_and_its_page(
    app: FastAPI, error: errors.BillingError, expected: tuple[int, str]
) -> None:
    @app.get("/test/refusal")
    def refusal() -> None:
        raise error

    answer = browse(app).get("/test/refusal")

    assert status_and_page(error) == expected
    assert answer.status_code == expected[0]
    assert len(Page(answer.text).titles("h1")) == 1
    assert "x" not in Page(answer.text).words.split()


def test_the_address_of_a_button_opened_as_a_page_says_that_nothing_happened(app: FastAPI) -> None:
    answer = browse(app).get("/checkout/donation")

    page = Page(answer.text)
    assert answer.status_code == 405
    assert page.titles("h1") == ["This is a step, not a page"]
    assert "/support" in page.links


def test_an_address_that_leads_nowhere_is_a_page_not_found(app: FastAPI) -> None:
    for path in ("/nowhere", "/checkout/not-an-id/thanks", "/static/none.css"):
        answer = browse(app).get(path)
        assert answer.status_code == 404, path
        assert Page(answer.text).titles("h1") == ["There is nothing at this address"], path


def test_what_fails_in_a_door_is_not_kept(app: FastAPI, context: Context) -> None:
    @app.post("/test/half")
    def half(session: SessionDep) -> None:
        session.add(Task(kind="test", subject="x", detail="", created_at=context.clock.now()))
        session.flush()
        raise errors.RefusedError("no")

    answer = browse(app).post("/test/half")

    assert answer.status_code == 400
    with context.db.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Task)) == 0
