"""The one way a test's database gets its tables."""

import importlib.util


def upgrade(database_url: str) -> None:
    """Bring an empty database to today's tables."""
    if importlib.util.find_spec("billing.migrations.run"):
        run = importlib.import_module("billing.migrations.run")
        run.upgrade(database_url)
        return
    from billing.db import Database
    from billing.models import Reader

    database = Database(database_url)
    Reader.metadata.create_all(database.engine)
    database.close()
