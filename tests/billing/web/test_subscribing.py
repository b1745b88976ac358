"""Subscribing: the last page before Stripe, the agreement that is kept, and the way back."""

import dataclasses

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing.context import Context
from billing.models import Checkout, Price
from service.app import build
from tests.support.pages import Page
from tests.support.stripe import LocalStripe

MONTHLY = "digital-month-standard"
YEARLY = "digital-year-standard"


def start(client: TestClient, price: str = MONTHLY, **fields: str) -> str:
    answer = client.post("/checkout/subscription", data={"price": price, **fields})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def come_back(client: TestClient, url: str) -> Page:
    back = client.get(url.removeprefix("http://localhost:8000"))
    assert back.status_code == 303, back.text
    return Page(client.get(back.headers["location"]).text)


@pytest.mark.parametrize(
    ("price", "button", "facts"),
    [
        (
            MONTHLY,
            "Subscribe and pay £5.49 a month",
            [
                "We take £5.49 today, and again every month on the same date",
                "£5.49 a month.",
                "£5.49: one payment.",
                "with the date and the amount of the next one",
            ],
        ),
        (
            YEARLY,
            "Subscribe and pay £54.90 a year",
            [
                "Between 14 and 3 days before each renewal we remind you of it by e-mail",
                "We take £54.90 today, and again every year on the same date",
                "£4.58 a month, paid as one payment of £54.90 a year.",
                "£54.90: one payment.",
                "with the date and the amount of the next one",
            ],
        ),
    ],
)
def test_the_last_page_states_every_key_fact_and_the_button_names_the_obligation(
    client: TestClient, price: str, button: str, facts: list[str]
) -> None:
    page = Page(client.get(f"/subscribe/{price}").text)

    always = [
        "until you end it",
        "choose End my subscription : one step, at any time",
        "You may cancel within 14 days, up to and including",
        "refund all you paid, even if you have been reading",
        "People's Press Printing Society Limited, registered society no. 12750R",
    ]
    assert [fact for fact in facts + always if fact not in page.words] == []
    assert page.form("/checkout/subscription").buttons == [button]
    assert not {"details", "summary", "dialog"} & {tag for tag, _ in page.tags}


def test_a_reader_subscribes_comes_back_signed_in_and_is_led_to_the_paper(
    client: TestClient, stripe: LocalStripe
) -> None:
    facts = Page(client.get(f"/subscribe/{MONTHLY}?source=a1").text)

    answer = client.post("/checkout/subscription", data=facts.form("/checkout/subscription").fields)
    thanks = come_back(client, stripe.pay(answer.headers["location"]))

    assert thanks.titles("h1") == ["Welcome. You can read everything, now"]
    assert "http://localhost:8080" in thanks.links
    assert "Your next payment is £5.49 on" in thanks.words
    assert set(client.cookies) == {"checkout", "reader"}


def test_what_the_reader_agreed_to_is_kept_word_for_word(
    client: TestClient, context: Context
) -> None:
    shown_to_reader = Page(client.get(f"/subscribe/{MONTHLY}").text)

    start(client, **_evidence(shown_to_reader))

    with context.db.reading() as session:
        kept = session.scalars(sa.select(Checkout.shown)).one()
    assert "".join(kept["text"].split()) in "".join(shown_to_reader.words.split())
    assert kept["button"] == "Subscribe and pay £5.49 a month"
    assert kept["version"] == shown_to_reader.form("/checkout/subscription").fields["facts"]
    assert (kept["amount"], kept["minimum_total"], kept["interval"]) == (549, 549, "month")


def test_facts_that_changed_while_somebody_read_are_shown_again_before_anything_is_agreed(
    client: TestClient, context: Context
) -> None:
    answer = client.post(
        "/checkout/subscription", data={"price": MONTHLY, "facts": "an older version"}
    )

    page = Page(answer.text)
    assert answer.status_code == 409
    assert "The details have changed" in page.titles("h2")
    assert page.form("/checkout/subscription").buttons == ["Subscribe and pay £5.49 a month"]
    with context.db.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Checkout)) == 0


def test_a_price_nobody_sells_is_not_found_and_no_other_is_sold_instead(
    client: TestClient, context: Context
) -> None:
    seen = client.get("/subscribe/gold")
    posted = client.post("/checkout/subscription", data={"price": "gold"})
    missing = client.post("/checkout/subscription", data={})
    with context.db.unit_of_work() as session:
        session.execute(sa.update(Price).values(on_sale=False))
    withdrawn = client.post("/checkout/subscription", data={"price": MONTHLY})

    statuses = [a.status_code for a in (seen, posted, missing, withdrawn)]
    assert statuses == [404, 404, 422, 404]
    assert Page(posted.text).titles("h1") == ["There is no such subscription"]


def test_whoever_subscribes_already_is_told_so_kindly(
    client: TestClient, stripe: LocalStripe
) -> None:
    come_back(client, stripe.pay(start(client)))

    answer = client.post("/checkout/subscription", data={"price": YEARLY})

    page = Page(answer.text)
    assert answer.status_code == 409
    assert page.titles("h1") == ["You already subscribe"]
    assert "/account" in page.links


def test_when_stripe_does_not_answer_nothing_is_taken_and_the_same_page_is_there(
    client: TestClient, stripe: LocalStripe
) -> None:
    stripe.control("fail_next", path_prefix="/v1/checkout/sessions", status=500, times=9)

    answer = client.post("/checkout/subscription", data={"price": MONTHLY, "source": "a1"})

    page = Page(answer.text)
    assert answer.status_code == 503
    assert "Nothing was taken We could not reach Stripe" in page.words
    assert page.form("/checkout/subscription").fields["source"] == "a1"


def test_a_reader_is_led_back_to_the_article_that_stopped_them(
    context: Context, stripe: LocalStripe
) -> None:
    paywall = context.settings.paywall.model_copy(update={"article_path": "/node/{article}"})
    settings = context.settings.model_copy(update={"paywall": paywall})
    app = build(dataclasses.replace(context, settings=settings))
    with TestClient(app, base_url="http://localhost:8000", follow_redirects=False) as client:
        thanks = come_back(client, stripe.pay(start(client, source="ms-1001")))

    assert "http://localhost:8080/node/ms-1001" in thanks.links


def test_whoever_leaves_without_paying_is_still_led_back_to_the_article(
    client: TestClient, context: Context
) -> None:
    start(client, source="node/4")
    with context.db.reading() as session:
        checkout_id = session.scalars(sa.select(Checkout.id)).one()

    back = Page(client.get(f"/checkout/{checkout_id}/cancelled").text)

    assert f"/subscribe/{MONTHLY}?source=node%2F4" in back.links


def test_a_source_that_is_another_site_never_becomes_a_link(
    client: TestClient, stripe: LocalStripe
) -> None:
    thanks = come_back(client, stripe.pay(start(client, source="//evil.test/x")))

    assert not [link for link in thanks.links if "evil" in link]


def _evidence(page: Page) -> dict[str, str]:
    return {"facts": page.form("/checkout/subscription").fields["facts"]}
