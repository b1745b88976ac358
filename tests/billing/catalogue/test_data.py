"""The catalogue file: what it says, and how it is refused."""

from datetime import date
from pathlib import Path

import pytest

from billing.catalogue.data import Catalogue, load
from billing.errors import (
    ClosedAppealError,
    ConfigurationError,
    UnknownAppealError,
    UnknownPlanError,
)
from billing.money import Money
from tests.support.stripe import ROOT

SMALL = """
placeholder_prices = true

[[plans]]
key = "digital"
name = "Digital"
description = "Everything."
account = "4000"
  [[plans.prices]]
  lookup_key = "digital-year-standard"
  band = "standard"
  interval = "year"
  amount = 5490

[[appeals]]
key = "roof"
name = "The Roof Appeal"
fund = "roof"
account = "4920"
purpose = "It leaks."
starts = 2026-11-01
ends = 2026-11-30
suggested = [1000]

[shop]
name = "The Shop"
url = "https://shop.example/"

[[foreign]]
name = "The Shop"
metadata_key = "app"
metadata_value = "shop"
account = "4210"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalogue.toml"


def read(file: Path, text: str) -> Catalogue:
    file.write_text(text)
    return load(file)


def complaint(file: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read(file, text)
    return str(refused.value).removeprefix(f"{file}: ")


def test_the_papers_own_catalogue_is_sound_and_says_its_prices_are_placeholders() -> None:
    catalogue = load(ROOT / "catalogue.toml")

    assert catalogue.placeholder_prices
    assert [p.lookup_key for p in catalogue.plan("digital").prices] == [
        f"digital-{interval}-{band}"
        for interval in ("month", "year")
        for band in ("standard", "concession", "solidarity")
    ]
    assert catalogue.appeal("95th-anniversary").target == 95_000_00
    assert catalogue.appeal("fighting-fund").monthly_target == 18_000_00
    assert catalogue.fund_account("appeal-95") == "4910"


def test_a_years_price_is_said_by_the_month_without_saying_too_little(file: Path) -> None:
    _, price = read(file, SMALL).price("digital-year-standard")

    assert price.per_month == Money(458)


def test_what_is_not_on_sale_is_refused_by_name(file: Path) -> None:
    catalogue = read(file, SMALL)

    with pytest.raises(UnknownPlanError, match="no price 'digital-free' is on sale"):
        catalogue.price("digital-free")
    with pytest.raises(UnknownPlanError, match="no plan 'print' is on sale"):
        catalogue.plan("print")
    with pytest.raises(UnknownAppealError, match="no appeal 'cellar'"):
        catalogue.appeal("cellar")
    with pytest.raises(UnknownAppealError, match="no appeal gives to the fund 'cellar'"):
        catalogue.fund_account("cellar")


def test_an_appeal_takes_gifts_on_its_first_and_its_last_day_and_not_beyond(file: Path) -> None:
    appeal = read(file, SMALL).appeal("roof")

    appeal.check_open(date(2026, 11, 1))
    appeal.check_open(date(2026, 11, 30))
    with pytest.raises(ClosedAppealError, match="opens on 1 November 2026"):
        appeal.check_open(date(2026, 10, 31))
    with pytest.raises(ClosedAppealError, match="closed on 30 November 2026"):
        appeal.check_open(date(2026, 12, 1))


def test_foreign_money_goes_where_a_rule_says_and_else_nowhere(file: Path) -> None:
    catalogue = read(file, SMALL)

    assert catalogue.foreign_account({"app": "shop", "order": "12"}) == "4210"
    assert catalogue.foreign_account({"app": "bazaar"}) is None
    assert catalogue.foreign_account({}) is None


@pytest.mark.parametrize(
    ("find", "put", "says"),
    [
        (
            "amount = 5490",
            "amount = -1",
            "plans.0.prices.0.amount: Input should be greater than 0 (found -1)",
        ),
        (
            "amount = 5490",
            "amount = 54.90",
            "plans.0.prices.0.amount: Input should be a valid integer (found 54.9)",
        ),
        (
            'interval = "year"',
            'interval = "week"',
            'plans.0.prices.0.interval: is not sold; write "month" or "year" (found \'week\')',
        ),
        (
            'account = "4920"',
            'account = "four"',
            "appeals.0.account: String should match pattern '^[0-9]{4,10}$' (found 'four')",
        ),
        (
            'fund = "roof"',
            'fund = "roof"\ncolour = "red"',
            "appeals.0.colour: Extra inputs are not permitted (found 'red')",
        ),
        (
            "ends = 2026-11-30",
            "ends = 2026-10-01",
            "appeals.0: ends before it starts; correct `starts` or `ends`",
        ),
        (
            "suggested = [1000]",
            'suggested = [1000]\nsuccessor = "cellar"',
            (
                "the whole file: appeal 'roof': successor 'cellar' is no other appeal; name one"
                " that exists, or leave it out"
            ),
        ),
        ('url = "https://shop.example/"', "", "shop.url: Field required"),
    ],
)
def test_a_fault_is_named_with_its_place_and_its_cure(
    file: Path, find: str, put: str, says: str
) -> None:
    assert complaint(file, SMALL.replace(find, put)) == says


def test_the_same_key_twice_is_refused(file: Path) -> None:
    price = SMALL[SMALL.index("  [[plans.prices]]") : SMALL.index("[[appeals]]")]
    appeal = SMALL[SMALL.index("[[appeals]]") : SMALL.index("[shop]")]

    assert complaint(file, SMALL.replace("[[appeals]]", f"{price}\n[[appeals]]")) == (
        "the whole file: lookup_key 'digital-year-standard' stands twice; each must be unique"
    )
    assert complaint(file, f"{SMALL}\n{appeal}") == (
        "the whole file: appeal key 'roof' stands twice; each must be unique"
    )


def test_one_fund_on_two_accounts_is_refused(file: Path) -> None:
    appeal = SMALL[SMALL.index("[[appeals]]") : SMALL.index("[shop]")]
    other = appeal.replace('key = "roof"', 'key = "tiles"').replace("4920", "4940")

    assert complaint(file, f"{SMALL}\n{other}") == (
        "the whole file: fund 'roof' is booked to both 4920 and 4940; a fund has one account"
    )


def test_a_file_that_is_missing_or_broken_is_named_with_what_to_do(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="set BILLING_CATALOGUE to the catalogue file"):
        load(file)
    assert complaint(file, "plans = [").startswith("is not TOML: ")
