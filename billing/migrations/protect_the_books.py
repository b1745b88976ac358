"""The triggers that keep the books, and the chart of accounts they begin with.

Frozen with revision 0001: a later change of a trigger or of the chart is a later revision.

The same rules on both databases. Postings are written first, under a deferred foreign key; writing
their entry checks that they sum to zero in every currency, and seals them. Nothing in the ledger or
the audit trail is ever changed or deleted. On PostgreSQL each posting is checked once more as its
transaction commits, since two transactions there do not see each other's rows.
"""

import sqlalchemy as sa
from alembic import op

_APPEND_ONLY = ("journal_entry", "posting", "audit_record")

# Source: the usual ranges of a UK nominal ledger, as the society's accountant may renumber them.
_CHART = (
    ("1200", "Bank current account", "asset"),
    ("1210", "Bank appeal account", "asset"),
    ("1240", "Stripe balance", "asset"),
    ("1241", "Stripe payouts in transit", "asset"),
    ("1250", "PayPal", "asset"),
    ("1260", "Cheques and cash to bank", "asset"),
    ("2110", "Deferred income: digital", "liability"),
    ("2111", "Deferred income: print", "liability"),
    ("2112", "Deferred income: gift and bulk", "liability"),
    ("2130", "Unallocated receipts", "liability"),
    ("2140", "Refunds due", "liability"),
    ("2200", "VAT on sales", "liability"),
    ("3000", "Share capital", "capital"),
    ("3010", "Share money awaiting allotment", "capital"),
    ("4000", "Digital subscriptions", "income"),
    ("4010", "Home delivery subscriptions", "income"),
    ("4011", "Voucher subscriptions", "income"),
    ("4020", "Bulk union subscriptions", "income"),
    ("4030", "Gift subscriptions", "income"),
    ("4100", "Advertising", "income"),
    ("4200", "Shop: books", "income"),
    ("4210", "Shop: merchandise", "income"),
    ("4220", "Postage recharged", "income"),
    ("4900", "Fighting Fund", "income"),
    ("4910", "95th Anniversary Appeal", "income"),
    ("4920", "Other appeals", "income"),
    ("4930", "Legacies", "income"),
    ("4940", "Other gifts", "income"),
    ("7901", "Card fees: subscriptions", "expense"),
    ("7902", "Card fees: gifts", "expense"),
    ("7903", "Dispute fees", "expense"),
    ("7904", "Disputes and indemnities lost", "expense"),
    ("7905", "Exchange differences", "expense"),
    ("7906", "Card fees: other receipts", "expense"),
)

_UNBALANCED = """
    (SELECT count(*) FROM posting WHERE entry_id = NEW.id) < 2
    OR EXISTS (SELECT 1 FROM posting WHERE entry_id = NEW.id AND day <> NEW.day)
    OR EXISTS (SELECT 1 FROM posting WHERE entry_id = NEW.id
               GROUP BY currency HAVING sum(amount) <> 0)
"""


def protect() -> None:
    """Create the triggers and the chart."""
    account = sa.table("account", sa.column("code"), sa.column("name"), sa.column("kind"))
    op.bulk_insert(account, [{"code": c, "name": n, "kind": k} for c, n, k in _CHART])
    statements = _sqlite() if op.get_bind().dialect.name == "sqlite" else _postgresql()
    for statement in statements:
        op.execute(sa.text(statement))


def _sqlite() -> list[str]:
    statements = [
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} BEGIN"
        f" SELECT RAISE(ABORT, '{table} is append-only'); END"
        for table in _APPEND_ONLY
        for verb in ("UPDATE", "DELETE")
    ]
    statements.append(
        "CREATE TRIGGER posting_sealed BEFORE INSERT ON posting"
        " WHEN EXISTS (SELECT 1 FROM journal_entry WHERE id = NEW.entry_id) BEGIN"
        " SELECT RAISE(ABORT, 'the journal entry is sealed'); END"
    )
    statements.append(
        f"CREATE TRIGGER journal_entry_balanced BEFORE INSERT ON journal_entry WHEN {_UNBALANCED}"
        " BEGIN SELECT RAISE(ABORT, 'the journal entry does not sum to zero'); END"
    )
    return statements


def _postgresql() -> list[str]:
    statements = [
        (
            "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        ),
        (
            "CREATE FUNCTION posting_sealed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF EXISTS (SELECT 1 FROM journal_entry WHERE id = NEW.entry_id) THEN"
            " RAISE EXCEPTION 'the journal entry is sealed'; END IF; RETURN NEW; END $$"
        ),
        (
            "CREATE FUNCTION journal_entry_balanced() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF {_UNBALANCED} THEN"
            " RAISE EXCEPTION 'the journal entry does not sum to zero'; END IF; RETURN NEW; END $$"
        ),
        (
            "CREATE FUNCTION posting_balanced() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF EXISTS (SELECT 1 FROM posting WHERE entry_id = NEW.entry_id"
            " GROUP BY currency HAVING sum(amount) <> 0) THEN"
            " RAISE EXCEPTION 'the journal entry does not sum to zero'; END IF; RETURN NULL; END $$"
        ),
        (
            "CREATE TRIGGER posting_sealed BEFORE INSERT ON posting"
            " FOR EACH ROW EXECUTE FUNCTION posting_sealed()"
        ),
        (
            "CREATE TRIGGER journal_entry_balanced BEFORE INSERT ON journal_entry"
            " FOR EACH ROW EXECUTE FUNCTION journal_entry_balanced()"
        ),
        (
            "CREATE CONSTRAINT TRIGGER posting_balanced AFTER INSERT ON posting"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION posting_balanced()"
        ),
    ]
    for table in _APPEND_ONLY:
        statements += [
            (
                f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
            ),
            (
                f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            ),
        ]
    return statements


def unprotect() -> None:
    """Take the triggers' functions away; the triggers go with their tables."""
    if op.get_bind().dialect.name == "sqlite":
        return
    for function in ("posting_balanced", "journal_entry_balanced", "posting_sealed"):
        op.execute(sa.text(f"DROP FUNCTION {function}() CASCADE"))
    op.execute(sa.text("DROP FUNCTION refuse_change() CASCADE"))
