"""What a page asks of whoever pays, a test card or a test account, and how it reads it.

No real card or account number is accepted or kept.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.engine.checkout import Payer
from sandbox.engine.instruments import ACCOUNTS, CARDS, SORT_CODE, Instrument
from sandbox.pages.render import Form

_CENTURY = 2000
_MONTHS = 12
_LISTED = "Use one of the test {0}s listed on this page: no real {0} is accepted or kept."


def kind_of(form: Form, offered: list[str]) -> str:
    """Return the way to pay that a form was filled in for: the first offered unless it says."""
    wanted = form.get("by", "")
    return wanted if wanted in offered else offered[0]


def problems(form: Form, kind: str, now: int) -> dict[str, str]:
    """Return what is wrong with a form, by field; `kind` is "" where it asks for no payment."""
    found = {} if "@" in form.get("email", "@") else {"email": "Enter an e-mail address."}
    if kind == "card":
        found |= _card_problems(form, now)
    elif kind:
        found |= _account_problems(form)
    if not form.get("name"):
        found["name"] = "Enter a name."
    return found


def payer(form: Form, kind: str, now: int) -> Payer:
    """Return who pays and with what, of a form without problems."""
    instruments: Mapping[str, Instrument] = CARDS if kind == "card" else ACCOUNTS
    return Payer(
        email=form.get("email"),
        name=form["name"],
        instrument=instruments[_digits(form, "number")] if kind else None,
        expiry=_expiry(form["expiry"], now) if kind == "card" else None,
        country=form.get("country") or "GB",
        postal_code=form.get("postal_code") or None,
        line1=form.get("line1") or None,
    )


def shown(form: Form, errors: dict[str, str], offered: list[str], now: int) -> dict[str, Any]:
    """Return what every page that asks how to pay shows."""
    year = datetime.fromtimestamp(now, UTC).year % 100 + 3  # in which no test card has expired
    kind = kind_of(form, offered)
    return {"form": form, "errors": errors, "offered": offered, "kind": kind, "next_year": year}


def _card_problems(form: Form, now: int) -> dict[str, str]:
    found = {}
    if _digits(form, "number") not in CARDS:
        found["number"] = _LISTED.format("card")
    if _expiry(form.get("expiry", ""), now) is None:
        found["expiry"] = "Enter a month and a year to come, such as 12 / 34."
    if not form.get("cvc", "").isdigit():
        found["cvc"] = "Enter the security code: any three digits."
    return found


def _account_problems(form: Form) -> dict[str, str]:
    """Refuse what the page can see at once, without asking a bank."""
    # Source: https://docs.stripe.com/payments/bacs-debit/mandate-collection-requirements
    found = {}
    account = ACCOUNTS.get(_digits(form, "number"))
    if _digits(form, "sort_code") != SORT_CODE or account is None:
        found["number"] = _LISTED.format("account")
    elif not account.valid:
        found["number"] = "This account number is not valid."
    asked = {
        "line1": "Enter your address.",
        "postal_code": "Enter your postcode.",
        "agreed": "Confirm that you may authorise debits from this account.",
    }
    return found | {name: text for name, text in asked.items() if not form.get(name)}


def _digits(form: Form, name: str) -> str:
    return form.get(name, "").replace(" ", "").replace("-", "")


def _expiry(text: str, now: int) -> tuple[int, int] | None:
    """Read `12/34`, `12 / 34` or `12/2034`; a date that has passed is none."""
    month, _, year = text.replace(" ", "").partition("/")
    if not (month.isdigit() and year.isdigit() and 1 <= int(month) <= _MONTHS):
        return None
    full = int(year) + (_CENTURY if len(year) == 2 else 0)  # noqa: PLR2004
    today = datetime.fromtimestamp(now, UTC)
    return (int(month), full) if (full, int(month)) >= (today.year, today.month) else None
