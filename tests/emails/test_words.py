from datetime import UTC, date, datetime

import pytest

from billing.money import Money
from billing.notices import DonationThanks, Receipt
from emails.words import day, moment, name, subscription, the, tidy


def test_a_day_is_written_as_a_british_paper_writes_it() -> None:
    assert day(date(2026, 11, 3)) == "3 November 2026"


def test_an_instant_is_written_by_londons_calendar_and_clock() -> None:
    late_in_summer = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)

    assert day(late_in_summer) == "1 July 2026"
    assert moment(late_in_summer) == "00:30 on 1 July 2026"


@pytest.mark.parametrize(
    "typed", ["Rosa Williams", "Dr. J.R. Ó Briain", "NEU Croydon branch", "王小明", "O'Neill"]
)
def test_a_name_is_kept_as_it_was_typed(typed: str) -> None:
    assert name(typed) == typed


@pytest.mark.parametrize(
    "typed", ["Win at http://x.example", "www.x.example", "cheap-pills.example", "me@x.example"]
)
def test_an_advertisement_in_the_name_is_not_sent_on(typed: str) -> None:
    assert name(typed) == ""


def test_a_name_without_end_is_cut() -> None:
    assert name("a" * 1000) == "a" * 80


def test_the_article_of_an_appeal_is_small_inside_a_sentence() -> None:
    assert the("The 95th Anniversary Appeal") == "the 95th Anniversary Appeal"
    assert the("Fighting Fund") == "the Fighting Fund"


def test_a_plan_is_called_a_subscription_once() -> None:
    assert subscription("Digital") == "digital subscription"
    assert subscription("Digital subscription") == "digital subscription"
    assert subscription("PDF") == "PDF subscription"


def test_every_text_of_a_notice_becomes_one_printable_line_and_nothing_else_changes() -> None:
    receipt = Receipt(
        number="D-000001",
        paid_on=date(2026, 11, 23),
        payer_name="Rosa\r\nBcc: all@example.org\x00\u2028\u202eWilliams\ud800",
        item="Donation",
        amount=Money(25_00),
        vat="none",
        method="visa",
    )

    tidied = tidy(DonationThanks(receipt=receipt, appeal=" The\tAppeal\n"))

    cleaned = receipt.model_copy(update={"payer_name": "Rosa Bcc: all@example.org Williams"})
    assert tidied == DonationThanks(receipt=cleaned, appeal="The Appeal")
