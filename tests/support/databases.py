"""Fresh, migrated databases: one template per worker and kind, one copy of it per test."""

import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from billing.migrations.run import upgrade
from tests.support import postgres

_FILE_COPY_SINCE = 15  # PostgreSQL's quick way to clone, by name; older servers know no other


class SqliteTemplate:
    """A migrated file, copied for each test.

    Attributes:
        url: the template's own address.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._template = directory / "template_test.db"
        self._number = itertools.count()
        self.url = f"sqlite:///{self._template}"
        upgrade(self.url)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Give the URL of a migrated database nobody has touched."""
        path = self._directory / f"billing_{next(self._number)}_test.db"
        shutil.copyfile(self._template, path)
        yield f"sqlite:///{path}"
        for left in self._directory.glob(f"{path.name}*"):
            left.unlink()


class PostgresqlTemplate:
    """A migrated database, cloned for each test.

    Attributes:
        url: the template's own address.
    """

    def __init__(self, server: sa.URL, worker: str) -> None:
        given = (server.database or "").removesuffix(postgres.SUFFIX)
        self._prefix = f"{given if given != 'postgres' else 'billing'}_{worker}"
        self._server = server
        self._number = itertools.count()
        self._admin = sa.create_engine(server, isolation_level="AUTOCOMMIT", pool_size=1)
        self._template = self._url("template")
        with self._admin.connect() as connection:
            version = connection.exec_driver_sql("SHOW server_version_num").scalar_one()
            quick = int(version) // 10_000 >= _FILE_COPY_SINCE
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{self._template.database}"')
            connection.exec_driver_sql(f'CREATE DATABASE "{self._template.database}"')
        self._how = "STRATEGY file_copy" if quick else ""
        self.url = self._template.render_as_string(hide_password=False)
        upgrade(self.url)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Give the URL of a migrated database nobody has touched."""
        url = self._url(str(next(self._number)))
        name = url.database
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.exec_driver_sql(
                f'CREATE DATABASE "{name}" TEMPLATE "{self._template.database}" {self._how}'
            )
        yield url.render_as_string(hide_password=False)
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def close(self) -> None:
        """Throw the template away."""
        with self._admin.connect() as connection:
            connection.exec_driver_sql(
                f'DROP DATABASE IF EXISTS "{self._template.database}" WITH (FORCE)'
            )
        self._admin.dispose()

    def _url(self, name: str) -> sa.URL:
        return postgres.refuse_unless_a_test(
            self._server.set(database=f"{self._prefix}_{name}{postgres.SUFFIX}")
        )
