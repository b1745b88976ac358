"""While the endpoint's secret is replaced there are two: the old one should not be forgotten.

Every event is kept with its signature, so what each secret has signed can be asked at any time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import tasks
from billing.context import Context
from billing.models import Feed, StripeEvent
from webhooks import signature

UNUSED: Final = timedelta(hours=24)  # as long as Stripe goes on signing with both
_AS_FAR_BACK: Final = 1_000  # events before those


def look_for_old_secrets(context: Context) -> list[int]:
    """Ask the staff to remove each secret that was in use and has signed nothing for a day.

    Returns:
        Their places among the settings, from 1.

    Source: https://docs.stripe.com/webhooks#roll-endpoint-secrets
    """
    secrets = signature.secrets_of(context.settings)
    if len(secrets) < 2:  # noqa: PLR2004  # the only one there is
        return []
    now = context.clock.now()
    with context.db.reading() as session:
        old = _old(session, secrets, since=now - UNUSED)
    places = [place for place, secret in enumerate(secrets, start=1) if secret in old]
    with context.db.unit_of_work() as session:
        for place in places:
            tasks.raise_task(
                session,
                "old-webhook-secret",
                subject=sha256(secrets[place - 1]).hexdigest()[:12],
                detail=f"Number {place} of the {len(secrets)} secrets in"
                " BILLING_STRIPE_WEBHOOK_SECRETS has signed nothing for 24 hours, while another"
                " has: remove it from the settings.",
                now=now,
            )
    return places


def _old(session: Session, secrets: Sequence[bytes], *, since: datetime) -> set[bytes]:
    """Return the secrets that signed before an instant and, unlike others, not after it."""
    heard = (
        sa.select(StripeEvent.headers, StripeEvent.body)
        .where(StripeEvent.feed == Feed.WEBHOOK)
        .order_by(StripeEvent.received_at.desc())
        .execution_options(yield_per=100)
    )
    unused = _unused(session, heard.where(StripeEvent.received_at > since), set(secrets))
    if len(unused) == len(secrets):
        return set()  # nothing was heard: another alarm's business
    before = heard.where(StripeEvent.received_at <= since).limit(_AS_FAR_BACK)
    return unused - _unused(session, before, unused)


def _unused(
    session: Session, heard: sa.Select[dict[str, str], bytes], secrets: set[bytes]
) -> set[bytes]:
    """Return those of some secrets that signed none of some events."""
    left = set(secrets)
    with session.execute(heard) as events:
        while left and (one := events.fetchone()):
            header = one.headers.get("stripe-signature", "").encode("latin-1")
            left -= signature.signers(header, one.body, left)
    return left
