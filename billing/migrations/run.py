"""Bring a database to this version of the program, and say which version it has."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from billing.db import Database


def upgrade(url: str) -> None:
    """Apply every migration a database has not had. Repeats safely."""
    command.upgrade(_config(url), "head")


def head() -> str:
    """Return the version this program needs."""
    return ScriptDirectory.from_config(_config("")).get_current_head() or ""


def current(database: Database) -> str:
    """Return the version a database has; '' for an empty one.

    Raises:
        OperationalError: it does not answer.
    """
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["url"] = url
    return config
