"""Giving: the appeal's page, the way to Stripe, and the thanks."""

from datetime import date

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from starlette.testclient import TestClient as AnyClient

from billing.books.ledger import Line, post
from billing.books.totals import fund_total
from billing.catalogue.data import Catalogue
from billing.clock import accounting_day
from billing.context import Context
from billing.models import Checkout
from billing.money import Money
from billing.web.app import create_app
from billing.web.render import write_short_money
from tests.support.pages import Page
from tests.support.stripe import LocalStripe

APPEAL = "/appeals/95th-anniversary"


def give(client: TestClient, **fields: str) -> str:
    answer = client.post("/checkout/donation", data={"appeal": "95th-anniversary", **fields})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_gift_goes_to_stripe_and_back_and_moves_the_thermometer(
    client: TestClient, context: Context, stripe: LocalStripe
) -> None:
    before = Page(client.get(APPEAL).text).words

    url = give(client, amount="25.00", source="/articles/a1")
    back = client.get(stripe.pay(url).removeprefix("http://localhost:8000"))
    thanks = Page(client.get(back.headers["location"]).text)

    assert "£0 raised of £95,000" in before
    assert back.status_code == 303
    assert thanks.titles("h1") == ["Thank you for your £25"]
    assert "£25 raised of £95,000 £94,975 still needed" in thanks.words
    assert "Receipt D-000001" in thanks.words
    assert "this gift does not qualify for Gift Aid" in thanks.words
    assert "£25 raised of £95,000" in Page(client.get(APPEAL).text).words
    with context.db.reading() as session:
        shown = session.scalars(sa.select(Checkout.shown)).one()
    assert (shown["appeal"], shown["written"]) == ("The 95th Anniversary Appeal", "£25.00")


def test_a_gift_signs_nobody_in_and_needs_no_account(
    client: TestClient, stripe: LocalStripe
) -> None:
    client.get(stripe.pay(give(client, amount="other", other="7.50")))

    assert set(client.cookies) == {"checkout"}


def test_the_thermometer_says_what_the_ledger_says(client: TestClient, context: Context) -> None:
    today = accounting_day(context.clock.now())
    with context.db.unit_of_work() as session:
        for source, pence, day in (("1", 30_000_00, date(2026, 2, 1)), ("2", 500_50, today)):
            lines = [
                Line("1240", Money(pence)),
                Line("4910", Money(-pence), fund="appeal-95"),
            ]
            post(
                session,
                source_kind="test",
                source_id=source,
                day=day,
                description="a gift",
                lines=lines,
                now=context.clock.now(),
            )
        total = fund_total(session, "appeal-95")

    page = client.get(APPEAL)

    written = write_short_money(total)
    assert written == "£30,500.50"
    assert f"{written} raised of £95,000 £64,499.50 still needed" in Page(page.text).words
    label = f"{written} raised of £95,000, 32 per cent"
    assert f'aria-label="The 95th Anniversary Appeal: {label}"' in page.text
    assert '<rect class="mercury" width="32%"' in page.text


def test_the_form_offers_the_suggested_amounts_and_names_what_the_button_does(
    client: TestClient,
) -> None:
    page = Page(client.get(APPEAL).text)
    form = page.form("/checkout/donation")

    offered = [g["value"] for t, g in page.tags if t == "input" and g.get("name") == "amount"]

    assert offered == ["10.00", "25.00", "50.00", "95.00", "other"]
    assert form.buttons == ["Give this amount"]
    assert form.fields == {"appeal": "95th-anniversary", "source": "", "amount": "", "other": ""}


@pytest.mark.parametrize(
    ("amount", "other", "said"),
    [
        ("", "", "Choose an amount, or write one in the box."),
        ("other", "", "Choose an amount, or write one in the box."),
        ("other", "lots", "Write the amount in pounds, like 25 or 25.50."),
        ("other", "-5", "Write the amount in pounds, like 25 or 25.50."),
        ("other", "€25", "Write the amount in pounds, like 25 or 25.50."),
        ("other", "25 eur", "Write the amount in pounds, like 25 or 25.50."),
        ("", "1.99", "The smallest gift we can take by card is £2:"),
        ("other", "5000.01", "The largest gift we take by card is £5,000."),
        ("25.00", "40", "You chose £25 and also wrote 40."),
        ("<b>", "", "Write the amount in pounds, like 25 or 25.50."),
    ],
)
def test_an_amount_we_cannot_take_is_explained_and_what_was_typed_is_still_there(
    client: TestClient, amount: str, other: str, said: str
) -> None:
    typed = {"appeal": "95th-anniversary", "amount": amount, "other": other, "source": "a1"}

    answer = client.post("/checkout/donation", data=typed)

    page = Page(answer.text)
    kept = page.form("/checkout/donation").fields
    assert answer.status_code == 422
    assert said in page.words
    assert "Nothing was taken." in page.words
    assert (kept["other"], kept["source"]) == (other, "a1")
    assert kept["amount"] == (amount if amount in ("25.00", "other") else "")


def test_an_appeal_nobody_made_is_not_found(client: TestClient) -> None:
    seen = client.get("/appeals/moon")
    given = client.post("/checkout/donation", data={"appeal": "moon", "amount": "25.00"})

    assert (seen.status_code, given.status_code) == (404, 404)
    assert Page(given.text).titles("h1") == ["There is no such appeal"]


@pytest.mark.parametrize(
    ("starts", "ends", "heading"),
    [
        (date(2020, 1, 1), date(2021, 12, 31), "This appeal has closed"),
        (date(2090, 1, 1), None, "Not open yet"),
    ],
)
def test_an_appeal_that_is_not_open_takes_nothing_and_points_to_the_fighting_fund(
    context: Context, starts: date, ends: date | None, heading: str
) -> None:
    browser = AnyClient(
        create_app(_with_dates(context, starts, ends)),
        base_url="http://localhost:8000",
        follow_redirects=False,
    )

    seen = browser.get(APPEAL)
    given = browser.post(
        "/checkout/donation", data={"appeal": "95th-anniversary", "amount": "25.00"}
    )

    assert (seen.status_code, given.status_code) == (200, 409)
    for page in (Page(seen.text), Page(given.text)):
        assert page.titles("h2") == [heading]
        assert page.forms == []
        assert "/appeals/fighting-fund" in page.links
    with context.db.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Checkout)) == 0


def test_starting_too_often_is_stopped_with_everything_kept(
    client: TestClient, context: Context
) -> None:
    for _ in range(context.settings.giving.starts_per_hour):
        give(client, amount="other", other="3")

    answer = client.post(
        "/checkout/donation", data={"appeal": "95th-anniversary", "amount": "other", "other": "3"}
    )

    assert answer.status_code == 429
    assert "Please wait a little" in Page(answer.text).words
    assert Page(answer.text).form("/checkout/donation").fields["other"] == "3"


def test_when_stripe_does_not_answer_nothing_is_taken_and_nothing_typed_is_lost(
    client: TestClient, stripe: LocalStripe
) -> None:
    stripe.control("fail_next", path_prefix="/v1/checkout/sessions", status=500, times=9)

    answer = client.post(
        "/checkout/donation", data={"appeal": "95th-anniversary", "amount": "25.00"}
    )

    page = Page(answer.text)
    assert answer.status_code == 503
    assert "Nothing was taken We could not reach Stripe" in page.words
    assert page.form("/checkout/donation").fields["amount"] == "25.00"


def test_leaving_without_paying_takes_nothing_and_leads_back(client: TestClient) -> None:
    give(client, amount="25.00")
    checkout_id = _only_checkout(client)

    page = Page(client.get(f"/checkout/{checkout_id}/cancelled").text)
    waiting = Page(client.get(f"/checkout/{checkout_id}/thanks").text)

    assert page.titles("h1") == ["Nothing was taken"]
    assert APPEAL in page.links
    assert waiting.titles("h1") == ["We have not heard from Stripe yet"]


def test_the_thanks_are_shown_to_the_browser_that_paid_and_to_no_other(
    client: TestClient, stripe: LocalStripe
) -> None:
    stripe.pay(give(client, amount="25.00"))
    checkout_id = _only_checkout(client)
    client.cookies.clear()
    client.cookies.set("checkout", "somebody-else")

    answer = client.get(f"/checkout/{checkout_id}/thanks")

    assert answer.status_code == 403
    assert "£25" not in answer.text


@pytest.mark.parametrize("token", ["", "tampered", "x" * 300])
def test_coming_back_with_a_token_that_is_not_ours_changes_nothing(
    client: TestClient, token: str
) -> None:
    give(client, amount="25.00")

    answer = client.get(f"/checkout/{_only_checkout(client)}/return", params={"token": token})

    assert answer.status_code in (400, 422)
    assert "reader" not in client.cookies


@pytest.mark.parametrize("where", ["return?token=x", "cancelled", "thanks"])
def test_a_checkout_we_never_started_is_not_found(client: TestClient, where: str) -> None:
    unknown = client.get(f"/checkout/00000000-0000-4000-8000-000000000000/{where}")
    nonsense = client.get(f"/checkout/cs_test_123/{where}")

    assert unknown.status_code in (400, 404)
    assert nonsense.status_code == 404


def _with_dates(context: Context, starts: date, ends: date | None) -> Context:
    appeals = tuple(
        appeal.model_copy(update={"starts": starts, "ends": ends})
        if appeal.key == "95th-anniversary"
        else appeal
        for appeal in context.catalogue.appeals
    )
    catalogue: Catalogue = context.catalogue.model_copy(update={"appeals": appeals})
    return Context(context.db, context.settings, catalogue, context.gateway, context.clock)


def _only_checkout(client: TestClient) -> str:
    with client.app.pages.state.context.db.reading() as session:  # type: ignore[attr-defined]
        return str(session.scalars(sa.select(Checkout.id)).one())
