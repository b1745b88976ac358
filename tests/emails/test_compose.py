"""What every mail says, and what none may say."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from jinja2 import UndefinedError
from pydantic import SecretStr

from billing.money import Money
from billing.notices import (
    KINDS,
    DonationThanks,
    GiftFailed,
    MandateEnded,
    Notice,
    PaymentActionNeeded,
    PaymentFailed,
    PaymentReceipt,
    Receipt,
    RefundMade,
    RenewalComing,
    SignIn,
    SubscriptionEnded,
    SubscriptionStarted,
)
from billing.settings import Settings, Society
from emails.compose import LARGEST_HTML, UnwritableMailError, compose
from emails.preview import previews, samples
from tests.emails.parts import Page, words_of

SETTINGS = Settings(
    public_url="https://support.example.org/",
    secret_key=SecretStr("only-for-tests-only-for-tests-only-for-tests"),
)
REAL = SETTINGS.model_copy(
    update={"society": Society(vat_number="GB 987654321", phone="020 7946 0000")}
)
SAMPLES = {notice.kind: notice for notice in samples(SETTINGS)}
DAY = date(2026, 11, 23)
WRITE_TO = "People's Press Printing Society Limited, Ruskin House, 23 Coombe Road, Croydon CR0 1BD"
CANCEL = "I/We [*] hereby give notice that I/We [*] cancel my/our [*] contract for the supply of"
GIFT_AID = (
    "The People's Press Printing Society Limited is not a charity;"
    " this gift does not qualify for Gift Aid."
)
RELIEF = re.compile(r"gift ?aid|charit\w*|tax.deduct\w*|tax relief", re.IGNORECASE)
BOUGHT = re.compile(r"unlock|access|subscri\w+|every article|benefit\b|reward", re.IGNORECASE)
SELLING = re.compile(
    r"donat(?:e|ing)\b|support us|offer|discount|upgrade|shop\b|tell a friend|follow us",
    re.IGNORECASE,
)


def receipt(**changed: object) -> Receipt:
    return Receipt.model_validate(
        {
            "number": "S-000007",
            "paid_on": DAY,
            "payer_name": "Rosa Williams",
            "item": "Digital subscription",
            "amount": Money(5_49),
            "vat": "VAT zero-rated (0%): £0.00",
            "method": "visa ending 4242",
            "period_starts": DAY,
            "period_ends": date(2026, 12, 22),
        }
        | changed
    )


def every_shape() -> Iterator[Notice]:
    """Every sample, and every kind again with what it may leave out left out."""
    yield from SAMPLES.values()
    bare = receipt(payer_name="", method="", period_starts=None, period_ends=None)
    yield SignIn(link="https://x.example/1", code="", expires_at=datetime.now(UTC), office=True)
    yield PaymentReceipt(receipt=bare, plan="Digital", renews_on=None)
    yield PaymentReceipt(receipt=bare, plan="Digital", renews_on=DAY)
    yield DonationThanks(receipt=bare, appeal="Fighting Fund")
    yield PaymentFailed(
        plan="Digital",
        amount=Money(5_49),
        attempt=1,
        pay_link="",
        access_until=DAY,
        next_attempt_on=None,
    )
    yield PaymentFailed(
        plan="Digital",
        amount=Money(5_49),
        attempt=1,
        pay_link="https://x.example/2",
        access_until=None,
        next_attempt_on=DAY,
    )
    yield PaymentActionNeeded(plan="Digital", amount=Money(5_49), pay_link="", access_until=None)
    yield RenewalComing(
        plan="Digital",
        amount=Money(5_49),
        interval="month",
        renews_on=DAY,
        method="",
        trial=True,
    )
    yield MandateEnded(plan="Digital", account="", amount=Money(5_49))
    yield SubscriptionEnded(plan="Digital", ended_on=DAY, unpaid=True)
    yield RefundMade(
        amount=Money(1_00),
        item="Donation",
        paid_on=DAY,
        refunded_on=DAY,
        method="",
        receipt_number="",
    )


def named(value: object) -> str:
    return value.kind if isinstance(value, Notice) else ""


shapes = pytest.mark.parametrize("notice", list(every_shape()), ids=named)
both = pytest.mark.parametrize("settings", [SETTINGS, REAL], ids=["placeholders", "real"])


def test_there_is_a_sample_of_every_kind_and_it_is_what_the_preview_shows() -> None:
    assert set(SAMPLES) == set(KINDS)
    assert previews(SETTINGS) == {kind: compose(SAMPLES[kind], SETTINGS) for kind in KINDS}


@both
@shapes
def test_every_word_and_link_of_the_html_is_in_the_text_and_the_other_way_round(
    notice: Notice, settings: Settings
) -> None:
    mail = compose(notice, settings)
    page = Page(mail.html)

    addresses = {link.removeprefix("mailto:") for link in page.links}
    assert words_of(page.visible) - words_of(mail.text) == set()
    assert {link for link in addresses if link not in mail.text} == set()
    written = set(re.findall(r"https?://\S+", mail.text))
    assert {link for link in addresses if "@" not in link} == written
    links_as_words = words_of(" ".join(written)) | {"-" * 60}
    assert words_of(mail.text) - words_of(page.visible) - links_as_words == set()


@shapes
def test_the_subject_is_one_short_line(notice: Notice) -> None:
    subject = compose(notice, SETTINGS).subject

    assert subject == " ".join(subject.split())
    assert 10 < len(subject) < 70


@shapes
def test_every_mail_says_who_writes_as_the_law_asks(notice: Notice) -> None:
    text = compose(notice, REAL).text

    assert text.endswith(
        "Questions? Reply to this message and a person will read it. You can also write to "
        "enquiries@peoples-press.com, telephone 020 7946 0000 or send a letter to the address"
        " below.\n\n"
        "The Morning Star is published by People's Press Printing Society Limited, a registered "
        "society under the Co-operative and Community Benefit Societies Act 2014. Registered "
        "society no. 12750R.\n"
        "Registered office: Ruskin House, 23 Coombe Road, Croydon CR0 1BD.\n"
        "VAT number: GB 987654321.\n"
    )


@pytest.mark.parametrize("vat_number", ["placeholder", "GB 123456789", ""])
@shapes
def test_a_placeholder_is_never_printed(notice: Notice, vat_number: str) -> None:
    society = Society(vat_number=vat_number)
    mail = compose(notice, SETTINGS.model_copy(update={"society": society}))

    for part in (mail.text, mail.html):
        assert "VAT number" not in part
        assert "telephone " not in part
        assert "placeholder" not in part.lower()


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


@pytest.mark.parametrize("kind", ["subscription_started", "payment_receipt", "payment_failed"])
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


def test_the_first_mail_carries_the_right_to_cancel_and_the_model_form() -> None:
    text = compose(SAMPLES["subscription_started"], SETTINGS).text

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


def test_the_first_mail_confirms_what_was_agreed() -> None:
    notice = SubscriptionStarted(
        receipt=receipt(),
        plan="Digital subscription",
        price=Money(54_90),
        interval="year",
        renews_on=date(2027, 11, 23),
        cooling_off_ends=date(2026, 12, 7),
    )
    text = compose(notice, SETTINGS).text

    agreed = text.partition("WHAT WE HAVE AGREED\n\n")[2].partition("\n\n")[0].splitlines()
    assert agreed[2:5] == [
        "Price: £54.90 a year, with any VAT included",
        "Renewal: It renews by itself every year, next on 23 November 2027, until you end it",
        "Shortest term: One year: you are bound to nothing beyond what you have paid for",
    ]


def test_a_gift_is_thanked_for_with_the_sentence_that_denies_gift_aid() -> None:
    mail = compose(SAMPLES["donation_thanks"], SETTINGS)

    assert f"\n{GIFT_AID}\n" in mail.text
    assert GIFT_AID in " ".join(Page(mail.html).visible.split())


@shapes
def test_nothing_else_speaks_of_charity_or_of_tax_relief(notice: Notice) -> None:
    mail = compose(notice, SETTINGS)

    for part in (mail.subject, mail.text, " ".join(Page(mail.html).visible.split())):
        rest = part.replace(GIFT_AID, "")
        assert RELIEF.findall(rest) == []


def test_a_gift_is_promised_nothing() -> None:
    text = compose(SAMPLES["donation_thanks"], SETTINGS).text

    words = text.partition("-----")[0]
    assert BOUGHT.findall(words) == []


@shapes
def test_a_service_mail_carries_no_marketing(notice: Notice) -> None:
    """Only links the reader needs, and no word that asks for more money.

    Source: https://ico.org.uk/for-organisations/direct-marketing-and-privacy-and-electronic-communications/
    """
    mail = compose(notice, SETTINGS)

    own = "https://support.example.org"
    asked_for = {getattr(notice, "link", ""), getattr(notice, "pay_link", "")}
    needed = {f"{own}/account", f"{own}/sign-in"} | asked_for
    assert {link for link in Page(mail.html).links if not link.startswith("mailto:")} <= needed
    assert SELLING.findall(mail.text) == []
    if not isinstance(notice, (DonationThanks, GiftFailed)):  # of a gift they themselves began
        assert re.findall(r"appeal|fighting fund", mail.text, re.IGNORECASE) == []


@shapes
def test_the_html_can_be_read_by_everyone(notice: Notice) -> None:
    mail = compose(notice, SETTINGS)
    page = Page(mail.html)

    assert page.every("html") == [{"lang": "en-GB"}]
    assert len(page.every("h1")) == 1
    assert all(cell.get("scope") == "row" for cell in page.every("th"))
    layout = [table for table in page.every("table") if table.get("role") == "presentation"]
    data = [table for table in page.every("table") if table.get("role") != "presentation"]
    assert len(layout) == 2
    assert len(data) <= len(page.every("th"))
    sizes = [float(size) for size in re.findall(r"font-size:\s*([\d.]+)px", mail.html)]
    assert min(sizes) >= 16
    assert {"name": "color-scheme", "content": "light dark"} in page.every("meta")


@shapes
def test_the_html_loads_nothing_and_tells_nobody_it_was_opened(notice: Notice) -> None:
    html = compose(notice, SETTINGS).html
    page = Page(html)

    present = {tag for tag, _ in page.tags}
    assert present & {"img", "script", "link", "iframe", "form", "video", "object"} == set()
    assert re.findall(r"url\(|@import|@font-face", html) == []


@shapes
def test_styles_are_in_the_elements_and_dark_colours_in_the_media_query(notice: Notice) -> None:
    html = compose(notice, SETTINGS).html

    sheet = re.findall(r"<style[^>]*>(.*?)</style>", html, re.DOTALL)
    assert len(sheet) == 1
    assert sheet[0].strip().startswith("@media (prefers-color-scheme: dark)")
    assert "style=" in html


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7 * 7 }}"


@pytest.mark.parametrize("kind", ["subscription_started", "payment_receipt", "donation_thanks"])
def test_a_hostile_name_is_text_and_nothing_more(kind: str) -> None:
    sample = SAMPLES[kind]
    given = getattr(sample, "receipt").model_copy(update={"payer_name": HOSTILE})  # noqa: B009

    mail = compose(sample.model_copy(update={"receipt": given}), SETTINGS)

    tags = [tag for tag, _ in Page(mail.html).tags]
    assert tags == [tag for tag, _ in Page(compose(sample, SETTINGS).html).tags]
    assert HOSTILE in Page(mail.html).visible
    assert f"Received from: {HOSTILE}\n" in mail.text


def test_a_name_cannot_add_lines_of_its_own_to_the_text() -> None:
    forged = "Rosa\n\nPay again: now\r\nTotal paid: £900"
    notice = DonationThanks(receipt=receipt(payer_name=forged), appeal="Fighting Fund")

    text = compose(notice, SETTINGS).text

    assert "\nReceived from: Rosa Pay again: now Total paid: £900\n" in text


def test_a_name_in_a_subject_cannot_add_a_header() -> None:
    notice = DonationThanks(receipt=receipt(), appeal="Fund\r\nBcc: all@example.org")

    assert compose(notice, SETTINGS).subject == (
        "Thank you for your gift to the Fund Bcc: all@example.org"
    )


def test_a_mail_too_large_to_be_shown_whole_is_refused() -> None:
    notice = DonationThanks(receipt=receipt(item="a" * LARGEST_HTML), appeal="Fighting Fund")

    with pytest.raises(UnwritableMailError, match="more than 100000 bytes"):
        compose(notice, SETTINGS)


def test_every_sample_is_far_below_the_largest_size() -> None:
    assert max(len(mail.html) for mail in previews(SETTINGS).values()) < LARGEST_HTML / 4


def test_a_template_that_names_what_is_not_there_fails_instead_of_leaving_a_hole() -> None:
    class Hollow(Notice):
        kind = "sign_in"

    with pytest.raises(UndefinedError):
        compose(Hollow(), SETTINGS)
