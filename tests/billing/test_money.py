"""Money is exact: read as people write it, written as people read it, never a float."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import AmountError
from billing.money import Money, exponent, parse_pounds


@pytest.mark.parametrize(
    ("written", "pence"),
    [
        ("25", 25_00),
        ("25.50", 25_50),
        ("25.5", 25_50),
        ("£25", 25_00),
        (" £1,000.01 ", 1_000_01),
        ("0.05", 5),
    ],
)
def test_an_amount_is_read_as_people_write_it(written: str, pence: int) -> None:
    assert parse_pounds(written) == Money(pence, "gbp")


@pytest.mark.parametrize(
    "written", ["", "abc", "-5", "1e3", "1.234", "1,00", "£", "25 pounds", "NaN", "٢٥", "9" * 400]
)
def test_what_is_no_amount_in_pounds_is_refused_with_how_to_write_one(written: str) -> None:
    with pytest.raises(AmountError, match="write it like 25"):
        parse_pounds(written)


# Source: https://docs.stripe.com/currencies. Forints and Taiwan dollars are paid out whole, krónur
# and Ugandan shillings have no parts at all; yet Stripe states each of them in hundredths.
@pytest.mark.parametrize(
    ("currency", "decimals", "shown"),
    [
        ("gbp", 2, "£1,234.56"),
        ("eur", 2, "€1,234.56"),
        ("usd", 2, "US$1,234.56"),
        ("jpy", 0, "123,456 JPY"),
        ("krw", 0, "123,456 KRW"),
        ("ugx", 2, "1,234.56 UGX"),
        ("isk", 2, "1,234.56 ISK"),
        ("huf", 2, "1,234.56 HUF"),
        ("twd", 2, "1,234.56 TWD"),
        ("kwd", 3, "123.456 KWD"),
        ("bhd", 3, "123.456 BHD"),
    ],
)
def test_a_currency_without_decimals_or_with_three_is_shown_and_filed_as_stripe_states_it(
    currency: str, decimals: int, shown: str
) -> None:
    money = Money(123_456, currency)

    assert exponent(currency) == decimals
    assert str(money) == shown
    assert money.major == Decimal(123_456).scaleb(-decimals)


@pytest.mark.parametrize(
    ("decimals", "currencies"),
    [
        (0, "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"),
        (3, "bhd jod kwd omr tnd"),
        (2, "gbp eur usd aud chf pln"),
    ],
)
def test_every_currency_that_is_not_in_hundredths_is_known(decimals: int, currencies: str) -> None:
    assert {exponent(each) for each in currencies.split()} == {decimals}


def test_what_cannot_be_read_is_quoted_no_further_than_one_can_read() -> None:
    with pytest.raises(AmountError) as refused:
        parse_pounds("x" * 60)

    told = f"not an amount in pounds: '{'x' * 40}'; write it like 25 or 25.50"
    assert str(refused.value) == told


def test_an_amount_is_written_with_its_sign_its_commas_and_its_currency() -> None:
    assert str(Money(1_234_567_89)) == "£1,234,567.89"
    assert str(Money(-1)) == "−£0.01"  # noqa: RUF001  # a minus sign, not a hyphen
    assert str(Money(-5)) == "−£0.05"  # noqa: RUF001  # a minus sign, not a hyphen
    assert str(Money(500, "jpy")) == "500 JPY"
    assert str(Money(1_234, "kwd")) == "1.234 KWD"


CURRENCIES = ["gbp", "eur", "jpy", "krw", "ugx", "isk", "huf", "twd", "kwd", "bhd"]


@given(st.integers(min_value=-(10**15), max_value=10**15), st.sampled_from(CURRENCIES))
def test_what_a_page_or_a_file_shows_of_any_currency_is_the_same_amount_read_back(
    amount: int, currency: str
) -> None:
    money = Money(amount, currency)
    figure = str(money).translate({ord("\N{MINUS SIGN}"): "-", ord(","): None})
    shown = Decimal("".join(c for c in figure if c in "-.0123456789"))

    for read in (shown, Decimal(f"{money.major}")):
        assert int(read.scaleb(exponent(currency))) == amount
        assert -int(read.as_tuple().exponent) == exponent(currency)


@given(st.integers(min_value=0, max_value=10**15))
def test_writing_and_reading_pounds_gives_the_same_amount_back(pence: int) -> None:
    money = Money(pence)
    assert parse_pounds(str(money)) == money
    assert money.major == Decimal(pence) / 100
