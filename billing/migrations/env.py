"""How Alembic reaches our database and tables."""

import os
from typing import Literal

from alembic import context

import billing.models  # noqa: F401  # fills Base.metadata
from billing.db import Base, Database, Instant


def _render(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Write our types into migrations by what the database sees, not by our names for them."""
    if kind == "type" and isinstance(item, Instant):
        return "sa.DateTime(timezone=True)"
    return False


def _run() -> None:
    url = context.config.attributes.get("url") or os.environ.get(
        "BILLING_DATABASE_URL", "sqlite:///var/billing.db"
    )
    database = Database(url)
    with database.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=True,
            compare_type=True,
            render_item=_render,
        )
        with context.begin_transaction():
            if not database.is_sqlite:
                # One migration at a time, and none that waits behind a long read for ever.
                connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(950101)")
            context.run_migrations()
        connection.commit()
    database.close()


_run()
