"""Rows of the meter as people come together: what two have read is counted once."""

from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.db import insert_ignore, take_turns
from billing.models import AccessChange, Meter

HASH: Final = 16  # characters an article takes in a row: in one month, no two come out alike


def meter_subject(reader_id: UUID) -> str:
    """Return the name under which the meter counts a reader; the wall's statement says it too."""
    return f"r:{reader_id.hex}"


def contains(articles: str, article_hash: str) -> bool:
    """Tell whether an article is among those of a row.

    That it be found across two others is less likely than that two articles come out alike.
    """
    return article_hash in articles


def joined(articles: str, more: str) -> str:
    """Return a row's articles with those of another that it lacks."""
    each = (more[at : at + HASH] for at in range(0, len(more), HASH))
    return articles + "".join(one for one in each if not contains(articles, one))


def unite(session: Session, window: str, articles: str, *, to: str) -> None:
    """Add articles to somebody's row of a window."""
    take_turns(session, f"meter:{to}")
    session.execute(insert_ignore(session, Meter).values(window=window, subject=to, articles=""))
    row = session.scalars(
        sa.select(Meter)
        .where(Meter.window == window, Meter.subject == to)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    row.articles = joined(row.articles, articles)
    session.flush()
    announce(session, UUID(to.removeprefix("r:")))


def announce(session: Session, reader_id: UUID) -> None:
    """Have every web process forget a reader, once this is committed; as the triggers do.

    Counting announces nothing, since what is remembered of a meter may lag behind its row.
    """
    if session.get_bind().dialect.name == "sqlite":
        session.add(AccessChange(subject=reader_id.hex))
        session.flush()
    else:
        session.execute(sa.select(sa.func.pg_notify("access", str(reader_id))))
