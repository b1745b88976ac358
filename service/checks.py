"""What a doctor looks at: settings, database, Stripe, webhooks, mail and clock, each with its cure.

Every check answers in words and raises nothing, so that one illness does not hide another.
"""

import smtplib
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from billing.catalogue.data import load
from billing.db import Database
from billing.errors import BillingError, ConfigurationError
from billing.migrations import run as migrations
from billing.settings import Settings
from billing.stripe_gateway import whose
from billing.stripe_gateway.client import API_VERSION, Gateway
from billing.stripe_gateway.endpoints import StripeEndpoint, endpoints
from billing.words import counted
from emails.transports import connect
from webhooks import dispatch, router, signature

_PATIENCE: Final = 5.0
_WRITTEN: Final = "Checkout Sessions, Customer portal, Refunds and Subscriptions"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found.

    Attributes:
        says: how it is; where it is not fine, what to do.
    """

    about: str
    fine: bool
    says: str


def settings_are_safe(settings: Settings) -> Iterator[Finding]:
    """Look for missing and unsafe settings."""
    problems = settings.problems()
    for problem in problems:
        yield Finding("settings", fine=False, says=str(problem))
    if not problems:
        yield Finding("settings", fine=True, says="complete and safe")


def catalogue_reads(settings: Settings) -> Iterator[Finding]:
    """Look whether the catalogue can be read, and whether its prices are the paper's own."""
    try:
        catalogue = load(settings.catalogue)
    except BillingError as error:
        yield Finding("catalogue", fine=False, says=str(error))
        return
    if catalogue.placeholder_prices:
        yield Finding(
            "catalogue",
            fine=not settings.live,
            says="its prices and targets are placeholders; put the agreed ones in and set"
            " placeholder_prices = false",
        )
    else:
        yield Finding(
            "catalogue", fine=True, says=f"{counted(len(catalogue.plans), 'plan')} on sale"
        )


def database_answers(settings: Settings) -> Iterator[Finding]:
    """Look whether the database answers, and has this program's tables."""
    yield database_version(settings)


def database_version(settings: Settings) -> Finding:
    """Compare the database's version with the one this program needs."""
    try:
        database = Database(settings.database_url)
    except ConfigurationError as error:
        return Finding("database", fine=False, says=str(error))
    # Asking SQLite for a file that is not there would make one.
    if database.is_sqlite and not Path(database.url.database or "").is_file():
        return Finding(
            "database",
            fine=False,
            says=f"there is none at {database.url.database}; run `billing migrate` to begin one",
        )
    try:
        with database.reading():
            version = migrations.current(database)
    except SQLAlchemyError as error:
        return Finding(
            "database",
            fine=False,
            says=f"{database.url.render_as_string()} does not answer ({type(error).__name__});"
            " start it, correct BILLING_DATABASE_URL, or run `billing migrate` to begin a new one",
        )
    finally:
        database.close()
    needed = migrations.head()
    if version == needed:
        return Finding("database", fine=True, says=f"at version {version}")
    return Finding(
        "database",
        fine=False,
        says=f"the database is at version {version or 'none'} and this program needs {needed};"
        " run `billing migrate`",
    )


def stripe_answers(settings: Settings) -> Iterator[Finding]:
    """Look whether Stripe takes our key, and is told of the same things we listen for."""
    gateway = Gateway(settings)
    try:
        found = endpoints(gateway)
        refused = whose.not_let(gateway)
    except BillingError as error:
        yield Finding(
            "Stripe",
            fine=False,
            says=f"{settings.stripe_api_base} did not answer as it should ({error}); check"
            " BILLING_STRIPE_KEY, and that a restricted key may read webhook endpoints",
        )
        return
    mode = "live" if settings.live else "test"
    yield Finding("Stripe", fine=True, says=f"takes our key, in {mode} mode")
    if refused:
        says = f"our key may not read {', '.join(refused)}; let it, in Stripe under API keys"
        yield Finding("Stripe", fine=False, says=says)
    if settings.stripe_key.get_secret_value().startswith("rk_"):
        says = f"what it may write is seen only by writing; it needs write on {_WRITTEN}"
        yield Finding("Stripe", fine=True, says=says)
    yield from _webhook(settings, found)


def _webhook(settings: Settings, found: list[StripeEndpoint]) -> Iterator[Finding]:
    url = settings.public_url.rstrip("/") + router.PATH
    there = [each for each in found if each.url == url]
    ours = there[0] if there else None
    if len(there) > 1:
        others = ", ".join(each.id for each in there[1:])
        yield Finding(
            "webhook",
            fine=False,
            says=f"every event comes {len(there)} times; delete {others} in Stripe, or the ones"
            " whose secret is not in BILLING_STRIPE_WEBHOOK_SECRETS",
        )
    if ours is None:
        yield Finding(
            "webhook",
            fine=False,
            says=f"no endpoint {url} at Stripe; run `billing webhook register --url {url}`",
        )
        return
    register = f"run `billing webhook register --url {url}` again"
    wrong = []
    if not ours.enabled:
        wrong.append(f"Stripe has disabled it: {register}")
    if missing := ours.missing(dispatch.TYPES):
        wrong.append(f"it is not sent {', '.join(missing)}: {register}")
    if ours.api_version != API_VERSION:
        # Harmless: a payload is only ever a hint. Worth saying, since the display shows it.
        yield Finding(
            "webhook",
            fine=True,
            says=f"sends events of {ours.api_version or 'the default version'}, which does no harm;"
            f" for {API_VERSION} delete it in Stripe and register it anew",
        )
    for each in wrong:
        yield Finding("webhook", fine=False, says=f"{ours.id}: {each}")
    if not wrong:
        yield Finding("webhook", fine=True, says=f"{ours.id} sends every event we act on")


def mail_server_answers(settings: Settings) -> Iterator[Finding]:
    """Look whether the mail server greets us."""
    mail = settings.mail
    try:
        connect(mail).quit()
    except smtplib.SMTPAuthenticationError:
        yield Finding(
            "mail",
            fine=False,
            says=f"{mail.host}:{mail.port} does not take our name and password; correct"
            " BILLING_MAIL__USER and BILLING_MAIL__PASSWORD",
        )
    except (OSError, smtplib.SMTPException) as error:
        yield Finding(
            "mail",
            fine=False,
            says=f"{mail.host}:{mail.port} does not answer ({type(error).__name__}); correct"
            " BILLING_MAIL__HOST and BILLING_MAIL__PORT, or start it",
        )
    else:
        yield Finding("mail", fine=True, says=f"{mail.host}:{mail.port} answers")


def clock_agrees(settings: Settings) -> Iterator[Finding]:
    """Compare this machine's clock with Stripe's: signatures are good for five minutes only."""
    theirs = _time_at(settings.stripe_api_base)
    if theirs is None:
        yield Finding("clock", fine=True, says="not compared: Stripe did not say what time it is")
        return
    apart = round(abs(time.time() - theirs))
    yield Finding(
        "clock",
        fine=apart < signature.TOLERANCE // 2,
        says=f"{counted(apart, 'second')} from Stripe's"
        + ("" if apart < signature.TOLERANCE // 2 else "; set this machine's clock"),
    )


def _time_at(address: str) -> float | None:
    try:
        with urllib.request.urlopen(address, timeout=_PATIENCE) as answer:  # noqa: S310  # settings
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        date = error.headers.get("Date")  # Stripe's front page is no page; its clock is right
    except OSError:
        return None
    return parsedate_to_datetime(date).timestamp() if date else None


ALL: Final[tuple[Callable[[Settings], Iterator[Finding]], ...]] = (
    settings_are_safe,
    catalogue_reads,
    database_answers,
    stripe_answers,
    mail_server_answers,
    clock_agrees,
)
