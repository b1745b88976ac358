"""The catalogue: what the paper sells and asks for, read from a file the paper may edit.

What `load` returns is whole and sound: every key is unique, every name refers to something, every
amount is positive. Amounts are whole pence.
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sized
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from billing.errors import (
    ClosedAppealError,
    ConfigurationError,
    UnknownAppealError,
    UnknownPlanError,
)
from billing.models import Interval
from billing.money import Money

Key = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
AccountCode = Annotated[str, Field(pattern=r"^[0-9]{4,10}$")]
Pence = Annotated[int, Field(strict=True, gt=0)]
Text = Annotated[str, Field(min_length=1)]

_MONTHS_A_YEAR: Final = 12

_Some = TypeVar("_Some", bound=Sized)


def _at_least_one(items: _Some) -> _Some:
    if not items:
        raise ValueError("is empty; write at least one")
    return items


def _month_or_year(interval: Interval) -> Interval:
    if interval not in (Interval.MONTH, Interval.YEAR):
        raise ValueError('is not sold; write "month" or "year"')
    return interval


class _Item(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class PlanPrice(_Item):
    """What a plan costs in one band, for one interval.

    Attributes:
        band: `standard`, `concession` or `solidarity`; chosen by the reader on trust.
        lookup_key: the name of the price at Stripe and in our addresses; never changes.
    """

    band: Key
    interval: Annotated[Interval, AfterValidator(_month_or_year)]
    amount: Pence
    lookup_key: Key

    @property
    def money(self) -> Money:
        """The amount per interval."""
        return Money(self.amount)

    @property
    def per_month(self) -> Money:
        """What a month comes to, in whole pence, rounded up so that it never says too little."""
        months = _MONTHS_A_YEAR if self.interval is Interval.YEAR else 1
        return Money(-(-self.amount // months))


class Plan(_Item):
    """What one subscribes to."""

    key: Key
    name: Text
    description: Text
    account: AccountCode
    prices: Annotated[tuple[PlanPrice, ...], AfterValidator(_at_least_one)]


class Appeal(_Item):
    """A request for support.

    Attributes:
        fund: where its gifts are booked.
        target: for the whole appeal; None where it has none.
        monthly_target: for each calendar month; None where it has none.
        starts, ends: the first and the last day it takes gifts; None where nothing limits it.
        suggested: amounts offered on its page.
        successor: the appeal to give to once this one is closed; '' for none.
    """

    key: Key
    name: Text
    fund: Key
    account: AccountCode
    purpose: Text
    target: Pence | None = None
    monthly_target: Pence | None = None
    starts: date | None = None
    ends: date | None = None
    suggested: Annotated[tuple[Pence, ...], AfterValidator(_at_least_one)]
    successor: str = ""

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        if self.starts and self.ends and self.ends < self.starts:
            raise ValueError("ends before it starts; correct `starts` or `ends`")
        return self

    def check_open(self, day: date) -> None:
        """Make sure the appeal takes gifts on a London day.

        Raises:
            ClosedAppealError: it has not begun, or it is over.
        """
        if self.starts and day < self.starts:
            raise ClosedAppealError(f"the appeal {self.key!r} opens on {_written(self.starts)}")
        if self.ends and day > self.ends:
            raise ClosedAppealError(f"the appeal {self.key!r} closed on {_written(self.ends)}")


class OtherWay(_Item):
    """A way to give without Stripe, in the paper's words."""

    name: Text
    text: Text
    by_telephone: bool = False  # shown only once the paper's number is known


class Shop(_Item):
    """Where the paper's shop is."""

    name: Text
    url: Annotated[str, Field(pattern=r"^https://[^\s]+$")]


class ForeignRule(_Item):
    """Whose a payment is that somebody else took on our Stripe account, told by its metadata."""

    name: Text
    metadata_key: Text
    metadata_value: Text
    account: AccountCode


class AdoptedPrice(_Item):
    """A price readers paid before this system: which of our plans it is, in which band."""

    stripe_price: Text
    plan: Key
    band: Key


class Catalogue(_Item):
    """Everything on sale, and everything asked for."""

    placeholder_prices: bool
    plans: Annotated[tuple[Plan, ...], AfterValidator(_at_least_one)]
    appeals: tuple[Appeal, ...] = ()
    other_ways: tuple[OtherWay, ...] = ()
    shop: Shop
    foreign: tuple[ForeignRule, ...] = ()
    adopted_prices: tuple[AdoptedPrice, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        prices = [price for plan in self.plans for price in plan.prices]
        _refuse_twice("plan key", (plan.key for plan in self.plans))
        _refuse_twice("lookup_key", (price.lookup_key for price in prices))
        for plan in self.plans:
            offers = (f"{plan.key} {p.band} {p.interval.value}" for p in plan.prices)
            _refuse_twice("band and interval of one plan", offers)
        _refuse_twice("appeal key", (appeal.key for appeal in self.appeals))
        rules = (f"{rule.metadata_key}={rule.metadata_value}" for rule in self.foreign)
        _refuse_twice("foreign rule", rules)
        _refuse_twice("adopted price", (price.stripe_price for price in self.adopted_prices))
        for adopted in self.adopted_prices:
            if adopted.plan not in {plan.key for plan in self.plans}:
                raise ValueError(f"{adopted.stripe_price} is adopted as no plan: {adopted.plan!r}")
        _refuse_unknown_successor(self.appeals)
        _refuse_split_fund(self.appeals)
        return self

    def plan(self, key: str) -> Plan:
        """Return the plan with this key.

        Raises:
            UnknownPlanError: there is none.
        """
        for plan in self.plans:
            if plan.key == key:
                return plan
        raise UnknownPlanError(f"no plan {key!r} is on sale")

    def plan_name(self, key: str) -> str:
        """Return what people call a plan; its key where the catalogue has it no more."""
        return next((plan.name for plan in self.plans if plan.key == key), key)

    def price(self, lookup_key: str) -> tuple[Plan, PlanPrice]:
        """Return the price with this lookup key, and its plan.

        Raises:
            UnknownPlanError: there is none.
        """
        for plan in self.plans:
            for price in plan.prices:
                if price.lookup_key == lookup_key:
                    return plan, price
        raise UnknownPlanError(f"no price {lookup_key!r} is on sale")

    def appeal(self, key: str) -> Appeal:
        """Return the appeal with this key.

        Raises:
            UnknownAppealError: there is none.
        """
        for appeal in self.appeals:
            if appeal.key == key:
                return appeal
        raise UnknownAppealError(f"no appeal {key!r}")

    def fund_account(self, fund: str) -> str:
        """Return the income account a fund is booked to.

        Raises:
            UnknownAppealError: no appeal gives to it.
        """
        for appeal in self.appeals:
            if appeal.fund == fund:
                return appeal.account
        raise UnknownAppealError(f"no appeal gives to the fund {fund!r}")

    def fund_name(self, fund: str) -> str:
        """Return what people call a fund; its key where no appeal gives to it any more."""
        return next((appeal.name for appeal in self.appeals if appeal.fund == fund), fund)

    def foreign_account(self, metadata: Mapping[str, str]) -> str | None:
        """Return the account foreign money with these metadata is booked to, if a rule says."""
        for rule in self.foreign:
            if metadata.get(rule.metadata_key) == rule.metadata_value:
                return rule.account
        return None

    def accounts(self) -> frozenset[str]:
        """Return every account the catalogue books to."""
        items: tuple[Plan | Appeal | ForeignRule, ...] = (
            *self.plans,
            *self.appeals,
            *self.foreign,
        )
        return frozenset(item.account for item in items)


def load(path: Path) -> Catalogue:
    """Read and check the catalogue.

    Raises:
        ConfigurationError: it is missing or wrong; says where, and what to do.
    """
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        cure = "set BILLING_CATALOGUE to the catalogue file"
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); {cure}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}") from error
    try:
        return Catalogue.model_validate(written)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_complaints(path, error))) from error


def _written(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _refuse_twice(what: str, values: Iterable[str]) -> None:
    twice = sorted(value for value, count in Counter(values).items() if count > 1)
    if twice:
        raise ValueError(f"{what} {twice[0]!r} stands twice; each must be unique")


def _refuse_unknown_successor(appeals: Iterable[Appeal]) -> None:
    known = {appeal.key for appeal in appeals}
    for appeal in appeals:
        if appeal.successor and appeal.successor not in known - {appeal.key}:
            raise ValueError(
                f"appeal {appeal.key!r}: successor {appeal.successor!r} is no other appeal;"
                " name one that exists, or leave it out"
            )


def _refuse_split_fund(appeals: Iterable[Appeal]) -> None:
    accounts: dict[str, str] = {}
    for appeal in appeals:
        if accounts.setdefault(appeal.fund, appeal.account) != appeal.account:
            raise ValueError(
                f"fund {appeal.fund!r} is booked to both {accounts[appeal.fund]} and"
                f" {appeal.account}; a fund has one account"
            )


def _complaints(path: Path, error: ValidationError) -> list[str]:
    """Say each fault with the place it is in, as `plans.0.prices.2.amount`."""
    lines = []
    for fault in error.errors(include_url=False, include_context=False):
        place = ".".join(str(step) for step in fault["loc"]) or "the whole file"
        given = fault["input"]
        seen = f" (found {given!r})" if isinstance(given, str | int | float | bool) else ""
        lines.append(f"{path}: {place}: {fault['msg'].removeprefix('Value error, ')}{seen}")
    return lines
