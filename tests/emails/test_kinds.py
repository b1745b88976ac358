"""What the mail of each kind says."""

import re
from datetime import date

import pytest

from billing.money import Money
from billing.notices import PaymentReceipt, SubscriptionStarted
from emails.compose import compose
from tests.emails.parts import Page
from tests.emails.shapes import GIFT_AID, REAL, SAMPLES, SETTINGS, debit, receipt, started

WRITE_TO = "People's Press Printing Society Limited, Ruskin House, 23 Coombe Road, Croydon CR0 1BD"
CANCEL = "I/We [*] hereby give notice that I/We [*] cancel my/our [*] contract for the supply of"
FIRST = ["debit_agreed", "subscription_started"]
BOUGHT = re.compile(r"unlock|access|subscri\w+|every article|benefit\b|reward", re.IGNORECASE)


def agreed(text: str) -> list[str]:
    return text.partition("WHAT WE HAVE AGREED\n\n")[2].partition("\n\n")[0].splitlines()


def test_a_receipt_shows_everything_a_receipt_must_show() -> None:
    notice = PaymentReceipt(
        receipt=receipt(), plan="Digital subscription", renews_on=date(2026, 12, 23)
    ).model_copy(update={"price": Money(5_49)})
    text = compose(notice, SETTINGS).text

    lines = text.partition("YOUR RECEIPT\n\n")[2].partition("\n\n")[0].splitlines()
    assert lines == [
        "Receipt number: S-000007",
        "Date paid: 23 November 2026",
        "Received from: Rosa Williams",
        "Paid to: People's Press Printing Society Limited",
        "For: Digital subscription",
        "Period: 23 November 2026 to 22 December 2026",
        "Amount: £5.49",
        "Tax: VAT zero-rated (0%): £0.00",
        "Total paid: £5.49",
        "Paid by: Visa ending 4242",
        "Next payment: £5.49 on 23 December 2026",
    ]


def test_a_receipt_of_what_ends_says_that_it_does_not_renew() -> None:
    notice = PaymentReceipt(receipt=receipt(), plan="Digital", renews_on=None)

    text = compose(notice, SETTINGS).text

    assert "\nNext payment: None: your subscription does not renew\n" in text


@pytest.mark.parametrize(
    "kind", ["debit_agreed", "subscription_started", "payment_receipt", "payment_failed"]
)
def test_what_asks_for_money_again_says_how_to_end_it_online_by_mail_and_by_post(kind: str) -> None:
    text = compose(SAMPLES[kind], SETTINGS).text

    assert "on your account page: https://support.example.org/account\n" in text
    assert (
        "Or tell us by e-mail to digitalsubs@peoples-press.com, or by post to People's Press "
        "Printing Society Limited, Ruskin House, 23 Coombe Road, Croydon CR0 1BD.\n"
    ) in text


def test_a_failed_payment_says_how_to_pay_whether_or_not_stripe_gave_a_link() -> None:
    linked = SAMPLES["payment_failed"]
    bare = linked.model_copy(update={"pay_link": ""})

    assert "Pay £5.49: https://invoice.stripe.com/" in compose(linked, REAL).text
    unlinked = compose(bare, REAL)
    for part in (unlinked.text, unlinked.html):
        assert "To pay, reply to this message and we will help." in part


@pytest.mark.parametrize("kind", ["payment_failed", "payment_action_needed"])
def test_who_trusts_no_link_in_a_message_is_told_how_to_pay_without_it(kind: str) -> None:
    told = "sign in on your account page and choose “Pay now”: https://support.example.org/account"
    linked = SAMPLES[kind]

    assert told in compose(linked, SETTINGS).text
    unlinked = compose(linked.model_copy(update={"pay_link": ""}), SETTINGS).text
    assert "Pay now" not in unlinked


def test_a_reminder_says_when_how_much_from_what_and_how_to_leave() -> None:
    text = compose(SAMPLES["renewal_coming"], SETTINGS).text

    for line in (
        "Your subscription renews on 7 December 2026",
        "Next payment: £54.90",
        "Taken on: 7 December 2026",
        "Paid by: Visa ending 4242",
        "If you do not wish to go on, end it before 7 December 2026 and nothing is taken.",
        "HOW TO END YOUR SUBSCRIPTION",
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize("kind", FIRST)
def test_the_first_mail_carries_the_right_to_cancel_and_the_model_form(kind: str) -> None:
    text = compose(SAMPLES[kind], SETTINGS).text

    assert "without giving a reason, until the end of 7 December 2026." in text
    form = text.partition("MODEL CANCELLATION FORM\n\n")[2].partition("\n\n---")[0]
    assert form.splitlines() == [
        "(Complete and return this form only if you wish to cancel the contract.)",
        "",
        f"To: {WRITE_TO}, digitalsubs@peoples-press.com",
        f"{CANCEL} the following service [*]: Digital subscription",
        "Ordered on [*]/received on [*]: 23 November 2026",
        "Name of consumer(s):",
        "Address of consumer(s):",
        "Signature of consumer(s) (only if this form is notified on paper):",
        "Date:",
        "[*] Delete as appropriate",
    ]


@pytest.mark.parametrize("kind", FIRST)
def test_the_first_mail_confirms_what_was_agreed(kind: str) -> None:
    yearly = {"price": Money(54_90), "interval": "year", "renews_on": date(2027, 11, 23)}
    text = compose(SAMPLES[kind].model_copy(update=yearly), SETTINGS).text

    assert agreed(text)[2:6] == [
        "Price: £54.90 a year, with any VAT included",
        "Renewal: It renews by itself every year, next on 23 November 2027, until you end it",
        "Shortest term: One year: you are bound to nothing beyond what you have paid for",
        "Agreed on: 23 November 2026",
    ]


def test_what_was_owed_before_the_contracts_day_was_kept_says_the_day_it_was_paid() -> None:
    kept = started().model_dump(exclude={"agreed_on", "confirmed"})

    text = compose(SubscriptionStarted.model_validate(kept), SETTINGS).text

    assert agreed(text)[5] == "Agreed on: 23 November 2026"
    assert "\nOrdered on [*]/received on [*]: 23 November 2026\n" in text


def test_while_a_bank_works_the_mail_says_what_it_is_asked_for_and_is_no_receipt() -> None:
    text = compose(debit(), SETTINGS).text

    lines = text.partition("YOUR FIRST PAYMENT\n\n")[2].partition("\n\n")[0].splitlines()
    assert lines == [
        "Amount: £5.49",
        "To be paid by: Direct Debit",
        "From: Bank account ending 2345",
        "How long it takes: Your bank can take up to seven working days from 23 November 2026",
    ]
    assert "It is not a receipt: nothing has been paid yet." in text
    assert "RECEIPT" not in text
    assert "If it does not pay, we write to you and say how you can pay in another way" in text
    assert "before your bank has paid, it is still asked for the payment above." in text
    assert "what you have paid for to its last day" not in text


def test_of_an_account_nobody_told_us_nothing_is_said() -> None:
    assert "From: " not in compose(debit(account=""), SETTINGS).text


def test_whoever_was_confirmed_days_before_is_not_welcomed_again() -> None:
    mail = compose(started(confirmed=True), SETTINGS)

    assert mail.subject == "The first payment for your Morning Star subscription has arrived"
    assert (
        "The first payment for the subscription you agreed on 23 November 2026 has arrived: £5.49."
    ) in mail.text
    assert "Welcome" not in mail.text
    assert "from today" not in mail.text


def test_what_ends_says_so_and_days_that_are_past_are_not_offered() -> None:
    ends = started(confirmed=True, renews_on=None, cooling_off_ends=None)
    text = compose(ends, SETTINGS).text

    assert "\nNext payment: None: your subscription does not renew\n" in text
    assert agreed(text)[3] == "Renewal: None: it does not renew"
    assert "HOW TO END" not in text
    assert "CANCEL" not in text


def test_a_gift_is_thanked_for_with_the_sentence_that_denies_gift_aid() -> None:
    mail = compose(SAMPLES["donation_thanks"], SETTINGS)

    assert f"\n{GIFT_AID}\n" in mail.text
    assert GIFT_AID in " ".join(Page(mail.html).visible.split())


def test_a_gift_is_promised_nothing() -> None:
    text = compose(SAMPLES["donation_thanks"], SETTINGS).text

    words = text.partition("-----")[0]
    assert BOUGHT.findall(words) == []
