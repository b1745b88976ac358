"""What `./dev run` sets, and what it says to the person who started it."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path


def settings(
    known: Mapping[str, str],
    *,
    data: Path,
    web: str,
    paper: str,
    stripe: str,
    smtp_port: int,
    catalogue: Path,
) -> dict[str, str]:
    """Return the demonstration's settings; secrets made on an earlier run are kept."""
    elsewhere = os.environ.get("BILLING_DATABASE_URL")  # PostgreSQL, by setting one URL
    return {
        "BILLING_DATABASE_URL": elsewhere or f"sqlite:///{data / 'billing.db'}",
        "BILLING_CATALOGUE": str(catalogue),
        "BILLING_PUBLIC_URL": web,
        "BILLING_PAPER_URL": paper,
        "BILLING_SECRET_KEY": known.get("BILLING_SECRET_KEY") or secrets.token_urlsafe(48),
        "BILLING_STRIPE_KEY": "sk_test_demonstration",
        "BILLING_STRIPE_API_BASE": stripe,
        "BILLING_STRIPE_WEBHOOK_SECRETS": known.get("BILLING_STRIPE_WEBHOOK_SECRETS", "[]"),
        "BILLING_CLOCK_OFFSET_FILE": str(data / "clock"),
        "BILLING_LOG_FORMAT": "text",
        "BILLING_MAIL__HOST": "localhost",
        "BILLING_MAIL__PORT": str(smtp_port),
        "BILLING_PAYWALL__LIMIT": "3",
        "BILLING_PAYWALL__ARTICLE_PATH": "/article/{article}",
    }


def welcome(web: str, paper: str, stripe: str) -> str:
    """Return the addresses, and two minutes' worth of things to try."""
    return f"""
Reader support is running on this machine. No real money moves.

  The newspaper    {paper}
  Support pages    {web}/support
  The mailbox      {paper}/mailbox
  Local Stripe     {stripe}/

Two minutes:
  1. Open the newspaper and read. Three articles are free here; the fourth meets the wall.
  2. Subscribe from the wall. Pay with card 4242 4242 4242 4242; 4000 0000 0000 0002 is declined.
  3. You are sent back and may read on. The receipt is in the mailbox.
  4. Give £25 to the 95th Anniversary Appeal, and look at its thermometer again.
  5. Open the finance office by the link below; download both exports: their totals agree.
  6. At the local Stripe lose or shuffle deliveries, fail calls, dispute a payment, move time. Then
     ./dev billing verify says whether anything differs from Stripe: nothing does.

Ctrl-C stops everything and keeps the data; ./dev run goes on from there; --fresh starts over.
"""
