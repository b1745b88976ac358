"""What a deployment may set, and what it must not.

Every setting is an environment variable with the prefix `BILLING_` (nested ones with `__`), or a
line of the file named by `BILLING_ENV_FILE`. `problems` says what is missing or unsafe, each with
its cure; `serve` refuses to start on any.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from billing.errors import ConfigurationError

STRIPE_API: Final = "https://api.stripe.com"
PLACEHOLDER: Final = "placeholder"  # the default of every secret and of what the paper must tell us
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Society(BaseModel):
    """Who trades: printed on every page, receipt and mail.

    Source: https://www.legislation.gov.uk/ukpga/2014/14/section/11
    """

    paper: str = "Morning Star"
    name: str = "People's Press Printing Society Limited"
    number: str = "12750R"
    office: str = "Ruskin House, 23 Coombe Road, Croydon CR0 1BD"
    vat_number: str = PLACEHOLDER
    email: str = "enquiries@peoples-press.com"
    phone: str = PLACEHOLDER


class Mail(BaseModel):
    """The mail server, and who our mail is from."""

    host: str = "localhost"
    port: int = 25
    user: str = ""
    password: SecretStr = SecretStr("")
    starttls: bool = False
    sender: str = "Morning Star <support@localhost>"
    reply_to: str = "digitalsubs@peoples-press.com"


class Paywall(BaseModel):
    """The free limit, and what is said when it is reached."""

    limit: int = Field(default=20, ge=0)
    message: str = "You have reached the free limit. Subscribe to continue reading."
    grace_days: int = Field(default=14, ge=0)
    # A renewal needs a moment to reach us; a paid reader is not locked out meanwhile.
    renewal_leeway_hours: int = Field(default=24, ge=0)
    # Where the paper shows the article of an id, such as "/node/{article}"; '' for its front page.
    article_path: str = ""
    origins: tuple[str, ...] = ()  # pages elsewhere whose scripts may ask the check (CORS)
    # Free articles of a reader who is signed in; None for as many as a visitor's.
    reader_limit: int | None = Field(default=None, ge=0)
    # Whoever asks with one of these speaks for the paper, and may say how an article is flagged.
    keys: tuple[SecretStr, ...] = ()
    pass_minutes: int = Field(default=5, ge=0, le=15)  # a reader pass lasts so long; 0 for none
    # Search engines that may read everything, by the domains of their name servers, such as
    # ("googlebot.com", "google.com", "search.msn.com"); none unless the paper says so.
    crawlers: tuple[str, ...] = ()
    # While the database does not answer: "open" lets everybody read, "passes" whoever holds a valid
    # reader pass, "closed" nobody. The batch form follows the check.
    check_when_down: Literal["open", "passes", "closed"] = "open"
    auth_when_down: Literal["open", "passes", "closed"] = "open"

    def limit_of(self, *, signed_in: bool) -> int:
        """Return how many articles of a window are free."""
        return self.limit if self.reader_limit is None or not signed_in else self.reader_limit


class Reconciliation(BaseModel):
    """How far the nightly comparison with Stripe may go without a person."""

    # Of more readers' access or mail than these, nothing is changed until somebody agrees.
    most_readers: int = Field(default=25, ge=0)


class Giving(BaseModel):
    """What a single gift may be, in pence, and how often one visitor may start one."""

    minimum: int = Field(default=200, ge=30)  # Stripe takes no less than 30p
    maximum: int = Field(default=5_000_00, le=999_999_99)
    starts_per_hour: int = Field(default=12, ge=1)  # card testing


class Checkout(BaseModel):
    """How readers may pay on Stripe's page; each must be switched on at Stripe too."""

    methods: tuple[Literal["card", "bacs_debit"], ...] = Field(default=("card",), min_length=1)


class Alarms(BaseModel):
    """When the staff is told that something which should happen does not."""

    # Hours between 8:00 and 22:00 in London without a webhook, while anybody subscribes or pays.
    # A paper with few readers may need more before silence means anything.
    silent_hours: int = Field(default=6, ge=1)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the settings.

    Attributes:
        setting: its environment variable.
        cure: what to do, in one sentence.
    """

    setting: str
    cure: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.cure}"


class Settings(BaseSettings):
    """One deployment."""

    model_config = SettingsConfigDict(
        env_prefix="BILLING_", env_nested_delimiter="__", extra="ignore", frozen=True
    )

    database_url: str = Field(default="sqlite:///var/billing.db", repr=False)  # may hold a password
    catalogue: Path = Path("catalogue.toml")
    public_url: str = "http://localhost:8000"
    paper_url: str = "http://localhost:8080"
    secret_key: SecretStr = SecretStr(PLACEHOLDER)

    stripe_key: SecretStr = SecretStr(PLACEHOLDER)
    stripe_api_base: str = STRIPE_API
    stripe_account: str = ""  # refuse events that name another account; '' accepts our own only
    stripe_webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = ()  # several: by commas
    clock_offset_file: Path | None = None  # follow a local Stripe's clock; never with a live key

    trusted_proxies: tuple[str, ...] = ("127.0.0.1",)
    log_format: Literal["json", "text"] = "json"
    society: Society = Society()
    mail: Mail = Mail()
    paywall: Paywall = Paywall()
    giving: Giving = Giving()
    alarms: Alarms = Alarms()
    checkout: Checkout = Checkout()
    reconciliation: Reconciliation = Reconciliation()

    @field_validator("stripe_webhook_secrets", mode="before")
    @classmethod
    def _several(cls, written: object) -> object:
        """Read one secret, several with commas between, or a JSON list."""
        if not isinstance(written, str):
            return written
        if written.lstrip().startswith("["):
            return json.loads(written)
        return [secret.strip() for secret in written.split(",") if secret]

    @property
    def live(self) -> bool:
        """Whether real money moves."""
        return "_live_" in self.stripe_key.get_secret_value()

    @property
    def secure(self) -> bool:
        """Whether readers reach us over https, so that cookies may demand it."""
        return self.public_url.startswith("https://")

    def problems(self) -> list[Problem]:
        """Return everything that forbids starting, each with its cure."""
        found = [*_public_address(self), *_secrets(self), *_stripe(self)]
        return [*found, *_live(self)] if self.live else found


def load() -> Settings:
    """Read the settings from the environment, and from `BILLING_ENV_FILE` where it is named."""
    env_file = os.environ.get("BILLING_ENV_FILE")
    try:
        return Settings(_env_file=env_file)
    except SettingsError as error:
        # It names the field alone, never the value.
        raise ConfigurationError(f'{error}: write it as JSON, such as ["a", "b"]') from None


def _public_address(settings: Settings) -> list[Problem]:
    parts = urlsplit(settings.public_url)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        return [Problem("BILLING_PUBLIC_URL", "a public host must be reached by https://")]
    return []


def _secrets(settings: Settings) -> list[Problem]:
    found = []
    if len(settings.secret_key.get_secret_value()) < 32:  # noqa: PLR2004
        found.append(
            Problem(
                "BILLING_SECRET_KEY",
                "set at least 32 random characters, for example from"
                " `python3 -c 'import secrets; print(secrets.token_urlsafe(48))'`",
            )
        )
    if any(len(key.get_secret_value()) < 32 for key in settings.paywall.keys):  # noqa: PLR2004
        found.append(
            Problem("BILLING_PAYWALL__KEYS", "make each key of at least 32 random characters")
        )
    if any(not s.get_secret_value().strip() for s in settings.stripe_webhook_secrets):
        found.append(Problem("BILLING_STRIPE_WEBHOOK_SECRETS", "an empty secret is no secret"))
    return found


def _stripe(settings: Settings) -> list[Problem]:
    found = []
    if not settings.stripe_key.get_secret_value().startswith(
        ("sk_test_", "rk_test_", "sk_live_", "rk_live_")
    ):
        found.append(
            Problem(
                "BILLING_STRIPE_KEY",
                "set Stripe's secret or restricted key (sk_test_…, rk_test_…, sk_live_…, …)",
            )
        )
    if not settings.stripe_webhook_secrets:
        found.append(
            Problem(
                "BILLING_STRIPE_WEBHOOK_SECRETS",
                "set the endpoint's signing secret, whsec_…; several with commas between",
            )
        )
    return found


def _live(settings: Settings) -> list[Problem]:
    found = []
    if settings.stripe_api_base != STRIPE_API:
        found.append(
            Problem("BILLING_STRIPE_API_BASE", f"a live key talks to {STRIPE_API} and nowhere else")
        )
    if settings.clock_offset_file is not None:
        found.append(Problem("BILLING_CLOCK_OFFSET_FILE", "time is not moved with a live key"))
    found += [
        Problem(
            f"BILLING_SOCIETY__{field.upper()}",
            "a live system prints the society's real particulars; set this one",
        )
        for field, value in settings.society.model_dump().items()
        if value in ("", PLACEHOLDER, "GB 123456789")
    ]
    if not settings.secure:
        found.append(Problem("BILLING_PUBLIC_URL", "a live system is reached by https://"))
    return found
