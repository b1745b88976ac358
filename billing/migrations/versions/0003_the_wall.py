"""The wall: more kinds of rights, one row a meter, break-glass, gift links, keys, and announcements.

The counts of the running month are brought along. Which articles they were is not: their hashes are
made in another way now, so one that was opened before the upgrade counts once more if opened again.
"""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SOURCES = ("subscription", "grace", "comp", "provisional")
_MORE = ("offline", "seat", "gift", "staff")


def _allow_sources(values: tuple[str, ...]) -> None:
    allowed = ", ".join(f"'{value}'" for value in values)
    name = op.f("ck_entitlement_entitlement_source")
    with op.batch_alter_table("entitlement") as batch_op:
        batch_op.drop_constraint(name, type_="check")
        batch_op.create_check_constraint(name, f"source IN ({allowed})")


def upgrade() -> None:
    """Bring the database to this revision."""
    _allow_sources((*_SOURCES, *_MORE))
    _meters()
    _tables()
    for statement in _sqlite() if op.get_bind().dialect.name == "sqlite" else _postgresql():
        op.execute(sa.text(statement))


def _meters() -> None:
    op.create_table(
        "meter",
        sa.Column("window", sa.String(length=10), nullable=False),
        sa.Column("subject", sa.String(length=60), nullable=False),
        sa.Column("articles", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("window", "subject", name=op.f("pk_meter")),
    )
    op.create_table(
        "meter_key",
        sa.Column("window", sa.String(length=10), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("window", name=op.f("pk_meter_key")),
    )
    together = "group_concat" if op.get_bind().dialect.name == "sqlite" else "string_agg"
    named = "CASE WHEN subject LIKE 'r:%' THEN replace(subject, '-', '') ELSE subject END"
    each = (
        f'SELECT DISTINCT "window", {named} AS subject, substr(article_hash, 1, 16) AS article'  # noqa: S608
        " FROM meter_read"
    )
    op.execute(
        sa.text(
            f"""INSERT INTO meter ("window", subject, articles)
            SELECT "window", subject, {together}(article, '') FROM ({each}) AS each_one
            GROUP BY "window", subject"""  # noqa: S608
        )
    )


def _tables() -> None:
    op.create_table(
        "break_glass",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "open_to",
            sa.Enum(
                "everyone",
                "subscribers",
                name="open_to",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("opened_by", sa.String(length=255), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("planned_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.String(length=255), server_default="", nullable=False),
        sa.CheckConstraint(
            "starts_at <= ends_at", name=op.f("ck_break_glass_ends_after_it_starts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_break_glass")),
    )
    op.create_table(
        "gift_link",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reader_id", sa.Uuid(), nullable=False),
        sa.Column("article", sa.String(length=200), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opens", sa.Integer(), server_default="0", nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name=op.f("fk_gift_link_reader_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gift_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_gift_link_token_hash")),
    )
    op.create_index(op.f("ix_gift_link_expires_at"), "gift_link", ["expires_at"])
    op.create_index("ix_gift_link_reader_id", "gift_link", ["reader_id", "created_at"])
    op.create_table(
        "pass_key",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_pass_key")),
    )
    op.create_table(
        "access_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subject", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_change")),
        sqlite_autoincrement=True,
    )


# A change of these is a change of what one reader may read: table, verb, and where they are named.
_OF_A_READER = (
    ("entitlement", "INSERT", ("NEW",)),
    ("entitlement", "UPDATE", ("OLD", "NEW")),
    ("entitlement", "DELETE", ("OLD",)),
    ("web_session", "DELETE", ("OLD",)),
    ("customer", "INSERT", ("NEW",)),
    ("customer", "UPDATE OF reader_id, deleted_at", ("OLD", "NEW")),
    ("checkout", "UPDATE OF stripe_session_id, reader_id", ("OLD", "NEW")),
    ("checkout", "INSERT", ("NEW",)),
)
# A change of these concerns many, who are named by a word.
_OF_MANY = (
    ("break_glass", "INSERT", "everybody"),
    ("break_glass", "UPDATE", "everybody"),
    ("pass_key", "INSERT", "everybody"),
)


def _named(table: str, verb: str) -> str:
    return f"{table}_announces_{verb.split(maxsplit=1)[0].lower()}"


def _sqlite() -> list[str]:
    tell = "INSERT INTO access_change (subject)"
    statements = [
        f"CREATE TRIGGER {_named(table, verb)} AFTER {verb} ON {table} BEGIN "
        + " ".join(
            f"{tell} SELECT {row}.reader_id WHERE {row}.reader_id IS NOT NULL;" for row in rows
        )
        + " END"
        for table, verb, rows in _OF_A_READER
    ]
    statements += [
        f"CREATE TRIGGER {_named(table, verb)} AFTER {verb} ON {table}"
        f" BEGIN {tell} VALUES ('{word}'); END"
        for table, verb, word in _OF_MANY
    ]
    statements.append(
        "CREATE TRIGGER reader_announces_update AFTER UPDATE OF merged_into ON reader"
        f" BEGIN {tell} VALUES (NEW.id); END"
    )
    statements.append(  # whoever has not looked for so long forgets everything
        "CREATE TRIGGER access_change_forgets AFTER INSERT ON access_change"
        " BEGIN DELETE FROM access_change WHERE id <= NEW.id - 10000; END"
    )
    return statements


def _postgresql() -> list[str]:
    return [
        (
            "CREATE FUNCTION announce_reader() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF TG_OP <> 'INSERT' AND OLD.reader_id IS NOT NULL THEN"
            " PERFORM pg_notify('access', OLD.reader_id::text); END IF;"
            " IF TG_OP <> 'DELETE' AND NEW.reader_id IS NOT NULL THEN"
            " PERFORM pg_notify('access', NEW.reader_id::text); END IF;"
            " RETURN NULL; END $$"
        ),
        (
            "CREATE FUNCTION announce_merge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM pg_notify('access', NEW.id::text); RETURN NULL; END $$"
        ),
        (
            "CREATE FUNCTION announce_many() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM pg_notify('access', TG_ARGV[0]); RETURN NULL; END $$"
        ),
        *(
            f"CREATE TRIGGER {_named(table, verb)} AFTER {verb} ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION announce_reader()"
            for table, verb, _rows in _OF_A_READER
        ),
        *(
            f"CREATE TRIGGER {_named(table, verb)} AFTER {verb} ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION announce_many('{word}')"
            for table, verb, word in _OF_MANY
        ),
        (
            "CREATE TRIGGER reader_announces_update AFTER UPDATE OF merged_into ON reader"
            " FOR EACH ROW EXECUTE FUNCTION announce_merge()"
        ),
    ]


def downgrade() -> None:
    """Take this revision back. It fails once a right of a kind only this release knows is there."""
    if op.get_bind().dialect.name == "sqlite":
        for table, verb, _ in (*_OF_A_READER, *_OF_MANY):
            op.execute(sa.text(f"DROP TRIGGER IF EXISTS {_named(table, verb)}"))
        op.execute(sa.text("DROP TRIGGER reader_announces_update"))
    else:
        for function in ("announce_reader", "announce_merge", "announce_many"):
            op.execute(sa.text(f"DROP FUNCTION {function}() CASCADE"))
    _bring_meters_back()
    for table in ("access_change", "pass_key", "gift_link", "break_glass", "meter_key", "meter"):
        op.drop_table(table)
    _allow_sources(_SOURCES)


def _bring_meters_back() -> None:
    """Give the release before its counts; which articles they were it cannot know."""
    meter_read = sa.table(
        "meter_read", sa.column("window"), sa.column("subject"), sa.column("article_hash")
    )
    op.get_bind().execute(meter_read.delete())
    kept = op.get_bind().execute(sa.text('SELECT "window", subject, articles FROM meter')).all()
    rows = [
        {
            "window": window,
            "subject": _named_before(subject),
            "article_hash": articles[at : at + 16],
        }
        for window, subject, articles in kept
        for at in range(0, len(articles), 16)
    ]
    if rows:
        op.bulk_insert(meter_read, rows)


def _named_before(subject: str) -> str:
    return f"r:{UUID(subject[2:])}" if subject.startswith("r:") else subject
