"""Rules no reviewer should have to remember: what our pages and mails may say."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = ("billing/templates", "emails/templates", "demo/templates", "demo/articles")
# The society is no charity, so a gift to it earns no Gift Aid; to suggest otherwise is an offence.
# Source: https://www.legislation.gov.uk/ukpga/2011/25/section/63
CHARITY = re.compile(r"gift aid|charit(y|able|ies)|tax[- ]deductible|tax relief", re.IGNORECASE)
DENIAL = re.compile(r"\b(not|no|nor|neither|never|cannot)\b", re.IGNORECASE)
OUTSIDE = re.compile(
    r"""<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=["']https?://""", re.IGNORECASE
)


def written() -> list[Path]:
    return sorted(
        path
        for place in WRITTEN
        for path in (ROOT / place).rglob("*")
        if path.suffix in {".html", ".txt", ".toml"}
    )


def sentences(text: str) -> list[str]:
    plain = re.sub(r"<[^>]+>|\{[%{#].*?[%}#]\}", " ", text, flags=re.DOTALL)
    return re.split(r"(?<=[.!?])\s+|\n\s*\n", " ".join(plain.split(" ")))


def test_charity_is_only_ever_denied() -> None:
    promised = [
        f"{path.relative_to(ROOT)}: {' '.join(sentence.split())}"
        for path in written()
        if "articles" not in path.parts
        for sentence in sentences(path.read_text())
        if CHARITY.search(sentence) and not DENIAL.search(sentence)
    ]
    assert promised == []


def test_no_page_or_mail_fetches_anything_from_outside() -> None:
    found = [str(path.relative_to(ROOT)) for path in written() if OUTSIDE.search(path.read_text())]
    assert found == []


def test_no_template_waives_the_right_to_cancel_or_ticks_a_box_for_anybody() -> None:
    ticked = re.compile(r"<input[^>]*type=.checkbox.[^>]*\bchecked\b(?![^>]*%\})", re.IGNORECASE)
    found = [str(p.relative_to(ROOT)) for p in written() if ticked.search(p.read_text())]
    assert found == []


def test_nobody_is_addressed_in_american() -> None:
    american = re.compile(
        r"\b(canceled|canceling|favorite|color|center|honor(?:ed|ing)?|organiz(?:e|ed|ation)"
        r"|recogniz(?:e|ed)|check out our|zip code|cell phone)\b",
        re.IGNORECASE,
    )
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in written()
        for sentence in sentences(path.read_text())
        for match in american.finditer(sentence)
    ]
    assert found == []
