"""What holds for every mail, and what none may say."""

import re

import pytest
from jinja2 import UndefinedError

from billing.notices import KINDS, DonationThanks, GiftFailed, Notice
from billing.settings import Settings, Society
from emails.compose import LARGEST_HTML, UnwritableMailError, compose
from emails.preview import previews
from tests.emails.parts import Page, words_of
from tests.emails.shapes import GIFT_AID, REAL, SAMPLES, SETTINGS, both, receipt, shapes

RELIEF = re.compile(r"gift ?aid|charit\w*|tax.deduct\w*|tax relief", re.IGNORECASE)
SELLING = re.compile(
    r"donat(?:e|ing)\b|support us|offer|discount|upgrade|shop\b|tell a friend|follow us",
    re.IGNORECASE,
)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7 * 7 }}"


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


@shapes
def test_nothing_else_speaks_of_charity_or_of_tax_relief(notice: Notice) -> None:
    mail = compose(notice, SETTINGS)

    for part in (mail.subject, mail.text, " ".join(Page(mail.html).visible.split())):
        rest = part.replace(GIFT_AID, "")
        assert RELIEF.findall(rest) == []


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
