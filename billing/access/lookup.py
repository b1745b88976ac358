"""Who asks, as the database knows them: one statement for a reader, and one for a visitor.

The statements go straight to the driver, and so does the one that counts.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from billing.access import break_glass, meter
from billing.access.case import Case, Person
from billing.access.decide import LAST_KNOWN, Right
from billing.access.reasons import OF_SOURCE
from billing.db import Instant
from billing.driver import Connection, Row
from billing.models import Entitlement, EntitlementSource, Meter, OpenTo, WebSession
from billing.readers.meters import meter_subject
from billing.sign_in.secrets import hash_token

# Rights that ended so long ago bear on nothing any more, whatever the staff open.
_EARLIER: Final = LAST_KNOWN + timedelta(hours=break_glass.LONGEST)


def find(connection: Connection, case: Case) -> Person | None:
    """Return who asks, from the database; None if nobody we know."""
    return find_reader(connection, case) or find_visitor(connection, case)


def find_reader(connection: Connection, case: Case) -> Person | None:
    """Return the reader whose session a question brings; None if it is nobody's."""
    if not case.question.session_token:
        return None
    token = hash_token(case.question.session_token)
    rows = connection.run(
        _READER, token=token, month=case.basis.window.name, since=case.now - _EARLIER
    )
    return _reader(connection, case, rows)


def find_readers(connection: Connection, cases: Sequence[Case]) -> list[Person | None]:
    """Return several readers at once; on PostgreSQL, and of one window.

    The same as `find_reader` for each.
    """
    tokens = [hash_token(case.question.session_token) for case in cases]
    found = defaultdict(list)
    for token, *row in connection.run(
        _READERS,
        tokens=tokens,
        month=cases[0].basis.window.name,
        since=min(case.now for case in cases) - _EARLIER,
    ):
        found[token].append(tuple(row))
    return [
        _reader(connection, case, found[token]) for case, token in zip(cases, tokens, strict=True)
    ]


def find_visitor(connection: Connection, case: Case) -> Person | None:
    """Return the visitor whose cookie a question brings; None if it is not ours."""
    visitor = meter.read_cookie(case.settings, case.question.visitor_cookie, case.basis.window)
    if visitor is None:
        return None
    month = case.basis.window.name
    rows = connection.run(_COUNTED, month=month, subject=visitor.subject)
    articles = rows[0][0] if rows else visitor.first
    until = _until(case, (), case.basis.window.ends_at)
    return Person(None, visitor.subject, visitor.first, articles, (), until)


def _reader(connection: Connection, case: Case, rows: Sequence[Row]) -> Person | None:
    if not rows or rows[0][1] <= case.now:
        return None
    reader_id, session_ends, articles = rows[0][:3]
    rights = [_right(*row[3:]) for row in rows if row[3] is not None]
    if any(each.open_to is OpenTo.SUBSCRIBERS for each in case.basis.openings):
        rights += _taken_back(connection, case, reader_id)
    until = _until(case, rights, min(session_ends, case.basis.window.ends_at))
    return Person(reader_id, meter_subject(reader_id), "", articles or "", tuple(rights), until)


def _taken_back(connection: Connection, case: Case, reader_id: UUID) -> list[Right]:
    """Return rights that were taken back lately: the staff may open the paper for that mistake."""
    rows = connection.run(_SUPERSEDED, reader_id=reader_id, since=case.now - _EARLIER)
    return [
        _right(source, starts_at, superseded_at if ends_at is None else min(ends_at, superseded_at))
        for source, starts_at, ends_at, superseded_at in rows
        if starts_at < superseded_at
    ]


def _right(source: EntitlementSource, starts_at: datetime, ends_at: datetime | None) -> Right:
    return Right(OF_SOURCE[source], starts_at, ends_at)


def _until(case: Case, rights: Sequence[Right], latest: datetime) -> datetime:
    """Return the first instant at which any of this begins or ends."""
    dated = [
        *((right.starts_at, right.ends_at) for right in rights),
        *((opening.starts_at, opening.ends_at) for opening in case.basis.openings),
    ]
    edges = (edge for both in dated for edge in both)
    return min((edge for edge in edges if edge and case.now < edge < latest), default=latest)


_NAME: Final = sa.literal("r:") + sa.func.replace(
    sa.cast(WebSession.reader_id, sa.String), sa.literal("-"), sa.literal("")
)
_FOUND: Final = (
    WebSession.reader_id,
    WebSession.expires_at,
    Meter.articles,
    Entitlement.source,
    Entitlement.starts_at,
    Entitlement.ends_at,
)


def _with_rights(*columns: Any) -> sa.Select[Any]:
    """Select sessions of readers with all that bears on their reading.

    Whoever is merged into somebody else is signed out and keeps no right, so need not be looked at.
    """
    month = sa.bindparam("month", type_=sa.String)
    since = sa.bindparam("since", type_=Instant())
    return (
        sa.select(*columns)
        .select_from(WebSession)
        .outerjoin(Meter, sa.and_(Meter.window == month, Meter.subject == _NAME))
        .outerjoin(
            Entitlement,
            sa.and_(
                Entitlement.reader_id == WebSession.reader_id,
                Entitlement.superseded_at.is_(None),
                sa.or_(Entitlement.ends_at.is_(None), Entitlement.ends_at > since),
            ),
        )
        .where(WebSession.reader_id.is_not(None))
    )


_READER: Final = _with_rights(*_FOUND).where(
    WebSession.token_hash == sa.bindparam("token", type_=sa.String)
)
_READERS: Final = _with_rights(WebSession.token_hash, *_FOUND).where(
    WebSession.token_hash == sa.any_(sa.bindparam("tokens", type_=postgresql.ARRAY(sa.String)))
)
_SUPERSEDED: Final = sa.select(
    Entitlement.source, Entitlement.starts_at, Entitlement.ends_at, Entitlement.superseded_at
).where(
    Entitlement.reader_id == sa.bindparam("reader_id", type_=sa.Uuid()),
    Entitlement.superseded_at > sa.bindparam("since", type_=Instant()),
)
_COUNTED: Final = sa.select(Meter.articles).where(
    Meter.window == sa.bindparam("month", type_=sa.String),
    Meter.subject == sa.bindparam("subject", type_=sa.String),
)


def _counting(insert: Any, position: Any) -> Any:
    """Begin somebody's row, or add to it where there is room and the article is new to it.

    The row is locked meanwhile, so that whoever comes second sees what the first has written.
    """
    article = sa.bindparam("article", type_=sa.Text)
    room = sa.func.length(Meter.articles) < sa.bindparam("most", type_=sa.Integer)
    grown = sa.case(
        (sa.and_(room, position(Meter.articles, article) == 0), Meter.articles + article),
        else_=Meter.articles,
    )
    begun = insert(Meter).values(
        window=sa.bindparam("month", type_=sa.String),
        subject=sa.bindparam("subject", type_=sa.String),
        articles=sa.bindparam("begins", type_=sa.Text),
    )
    return begun.on_conflict_do_update(
        index_elements=[Meter.window, Meter.subject], set_={"articles": grown}
    ).returning(Meter.articles)


COUNT_SQLITE: Final = _counting(sqlite_insert, sa.func.instr)
COUNT_POSTGRESQL: Final = _counting(postgresql_insert, sa.func.strpos)
