"""What converging needs: disputes, payouts, means of payment, and what the feeds find."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_STATES = ("ready", "unknown", "done", "refused")
_SOURCES = ("subscription", "grace", "comp")


def _allow(table: str, column: str, name: str, values: tuple[str, ...]) -> None:
    """Let a column hold these words and no others."""
    allowed = ", ".join(f"'{value}'" for value in values)
    with op.batch_alter_table(table) as batch_op:
        batch_op.drop_constraint(op.f(f"ck_{table}_{name}"), type_="check")
        batch_op.create_check_constraint(op.f(f"ck_{table}_{name}"), f"{column} IN ({allowed})")


def upgrade() -> None:
    """Bring the database to this revision."""
    op.create_table(
        "foreign_object",
        sa.Column("object_id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("object_id", name=op.f("pk_foreign_object")),
    )
    op.create_table(
        "payment_method",
        sa.Column("stripe_payment_method_id", sa.String(length=255), nullable=False),
        sa.Column("stripe_customer_id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("label", sa.String(length=60), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("mandate_id", sa.String(length=255), nullable=False),
        sa.Column("mandate_status", sa.String(length=20), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("stripe_payment_method_id", name=op.f("pk_payment_method")),
    )
    with op.batch_alter_table("payment_method", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_payment_method_mandate_id"), ["mandate_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_payment_method_stripe_customer_id"), ["stripe_customer_id"], unique=False
        )

    op.create_table(
        "payout",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("stripe_payout_id", sa.String(length=255), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "in_transit",
                "paid",
                "failed",
                "canceled",
                "unknown",
                name="payout_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("arrives_on", sa.Date(), nullable=False),
        sa.Column("failure", sa.String(length=300), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("residual", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout")),
        sa.UniqueConstraint("stripe_payout_id", name=op.f("uq_payout_stripe_payout_id")),
    )
    op.create_table(
        "repair",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "feed",
            sa.Enum(
                "webhook",
                "events",
                "sweep",
                "look",
                "return",
                "hand",
                "adoption",
                name="feed",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("object_id", sa.String(length=255), nullable=False),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repair")),
    )
    with op.batch_alter_table("repair", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_repair_at"), ["at"], unique=False)

    op.create_table(
        "verification",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("differences", sa.Integer(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification")),
    )
    with op.batch_alter_table("verification", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_verification_at"), ["at"], unique=False)

    op.create_table(
        "reader_look",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reader_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "ready",
                "running",
                "done",
                "parked",
                name="owed_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lost_leases", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reader_id"], ["reader.id"], name=op.f("fk_reader_look_reader_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reader_look")),
        sa.UniqueConstraint("reader_id", "day", name=op.f("uq_reader_look_reader_id_day")),
    )
    with op.batch_alter_table("reader_look", schema=None) as batch_op:
        batch_op.create_index("ix_reader_look_due", ["state", "run_at"], unique=False)

    op.create_table(
        "dispute",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("stripe_dispute_id", sa.String(length=255), nullable=False),
        sa.Column("stripe_charge_id", sa.String(length=255), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "warning_needs_response",
                "warning_under_review",
                "warning_closed",
                "needs_response",
                "under_review",
                "won",
                "lost",
                "prevented",
                "appeal_needs_response",
                "appeal_under_review",
                "unknown",
                name="dispute_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=100), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("due_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_dispute_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute")),
        sa.UniqueConstraint("stripe_dispute_id", name=op.f("uq_dispute_stripe_dispute_id")),
    )
    with op.batch_alter_table("dispute", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dispute_payment_id"), ["payment_id"], unique=False)

    with op.batch_alter_table("balance_transaction", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("payout_id", sa.String(length=255), server_default="", nullable=False)
        )
        batch_op.create_index(
            batch_op.f("ix_balance_transaction_payout_id"), ["payout_id"], unique=False
        )

    with op.batch_alter_table("command", schema=None) as batch_op:
        batch_op.add_column(sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("customer", schema=None) as batch_op:
        batch_op.add_column(sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(
            sa.Column("balance", sa.BigInteger(), server_default="0", nullable=False)
        )
        batch_op.add_column(
            sa.Column("payment_method_id", sa.String(length=255), server_default="", nullable=False)
        )

    with op.batch_alter_table("object_lease", schema=None) as batch_op:
        batch_op.add_column(sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("outbox_message", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("lost_leases", sa.Integer(), server_default="0", nullable=False)
        )

    with op.batch_alter_table("stripe_event", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("subject", sa.String(length=300), server_default="", nullable=False)
        )
        batch_op.add_column(
            sa.Column(
                "feed",
                sa.Enum(
                    "webhook",
                    "events",
                    "sweep",
                    "look",
                    "return",
                    "hand",
                    "adoption",
                    name="feed",
                    native_enum=False,
                    create_constraint=True,
                    length=40,
                ),
                server_default="webhook",
                nullable=False,
            )
        )
        batch_op.add_column(
            sa.Column("lost_leases", sa.Integer(), server_default="0", nullable=False)
        )
        batch_op.create_index("ix_stripe_event_received_at", ["received_at"], unique=False)
        batch_op.create_index("ix_stripe_event_subject", ["subject", "state"], unique=False)

    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("collection_paused", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        batch_op.add_column(
            sa.Column("payment_method_id", sa.String(length=255), server_default="", nullable=False)
        )
        batch_op.add_column(sa.Column("pay_url", sa.Text(), server_default="", nullable=False))
        batch_op.add_column(
            sa.Column(
                "stripe_customer_id", sa.String(length=255), server_default="", nullable=False
            )
        )
        batch_op.add_column(
            sa.Column("provisional_until", sa.DateTime(timezone=True), nullable=True)
        )
        batch_op.create_index(
            batch_op.f("ix_subscription_stripe_customer_id"), ["stripe_customer_id"], unique=False
        )

    _allow("command", "state", "command_state", (*_STATES, "abandoned"))
    # Whoever asked was told that it had failed, and may have asked otherwise since.
    op.execute("UPDATE command SET state = 'abandoned' WHERE state IN ('ready', 'unknown')")
    _allow("entitlement", "source", "entitlement_source", (*_SOURCES, "provisional"))
    op.execute(
        "INSERT INTO account (code, name, kind) VALUES ('3900', 'Opening balances', 'capital')"
    )


def downgrade() -> None:
    """Take this revision back."""
    op.execute("DELETE FROM account WHERE code = '3900'")
    _allow("entitlement", "source", "entitlement_source", _SOURCES)
    _allow("command", "state", "command_state", _STATES)
    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_subscription_stripe_customer_id"))
        batch_op.drop_column("provisional_until")
        batch_op.drop_column("stripe_customer_id")
        batch_op.drop_column("pay_url")
        batch_op.drop_column("payment_method_id")
        batch_op.drop_column("collection_paused")

    with op.batch_alter_table("stripe_event", schema=None) as batch_op:
        batch_op.drop_index("ix_stripe_event_subject")
        batch_op.drop_index("ix_stripe_event_received_at")
        batch_op.drop_constraint(op.f("ck_stripe_event_feed"), type_="check")
        batch_op.drop_column("lost_leases")
        batch_op.drop_column("feed")
        batch_op.drop_column("subject")

    with op.batch_alter_table("outbox_message", schema=None) as batch_op:
        batch_op.drop_column("lost_leases")

    with op.batch_alter_table("object_lease", schema=None) as batch_op:
        batch_op.drop_column("gone_at")

    with op.batch_alter_table("customer", schema=None) as batch_op:
        batch_op.drop_column("payment_method_id")
        batch_op.drop_column("balance")
        batch_op.drop_column("deleted_at")

    with op.batch_alter_table("command", schema=None) as batch_op:
        batch_op.drop_column("next_try_at")

    with op.batch_alter_table("balance_transaction", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_balance_transaction_payout_id"))
        batch_op.drop_column("payout_id")

    with op.batch_alter_table("dispute", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dispute_payment_id"))

    op.drop_table("dispute")
    with op.batch_alter_table("reader_look", schema=None) as batch_op:
        batch_op.drop_index("ix_reader_look_due")

    op.drop_table("reader_look")
    with op.batch_alter_table("verification", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_verification_at"))

    op.drop_table("verification")
    with op.batch_alter_table("repair", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_repair_at"))

    op.drop_table("repair")
    op.drop_table("payout")
    with op.batch_alter_table("payment_method", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_payment_method_stripe_customer_id"))
        batch_op.drop_index(batch_op.f("ix_payment_method_mandate_id"))

    op.drop_table("payment_method")
    op.drop_table("foreign_object")
