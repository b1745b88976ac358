"""Everything the sandbox remembers, in one SQLite file: JSON documents and a few queues.

One connection, used by one thread at a time (the world's lock sees to that). A restart keeps all
of it. `synchronous=OFF`: a power cut may cost a local toy its last second, a crash costs nothing.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Doc = dict[str, Any]
Clause = tuple[Any, ...]  # a condition in SQL, and its values

_TABLES = """
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, type TEXT NOT NULL,
    parent TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0, doc TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS object_by_type ON object (type, seq);
CREATE INDEX IF NOT EXISTS object_by_parent ON object (parent) WHERE parent <> '';
CREATE INDEX IF NOT EXISTS object_by_customer ON object (type, json_extract(doc, '$.customer'));
CREATE TABLE IF NOT EXISTS job (
    seq INTEGER PRIMARY KEY, run_at INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    clock TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS job_by_time ON job (run_at, seq);
CREATE TABLE IF NOT EXISTS reply (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    created INTEGER NOT NULL, request TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS secret (endpoint TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, endpoint TEXT NOT NULL,
    state TEXT NOT NULL, due REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    result TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (state, due);
CREATE INDEX IF NOT EXISTS delivery_by_event ON delivery (event);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_CLEARED = ("object", "job", "reply", "secret", "delivery", "setting")


class Store:
    """The documents, and the connection for the kernel's own tables."""

    def __init__(self, path: Path) -> None:
        """Open or create the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = OFF")
        self.db.executescript(_TABLES)
        if "clock" not in {column[1] for column in self.db.execute("PRAGMA table_info(job)")}:
            self.db.execute("ALTER TABLE job ADD COLUMN clock TEXT NOT NULL DEFAULT ''")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all of what happens inside, or nothing if it raises."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def insert(self, doc: Doc, *, parent: str = "") -> None:
        """Add a document; `parent` is the object it belongs to where Stripe shows no such field."""
        self.db.execute(
            "INSERT INTO object (id, type, parent, doc) VALUES (?, ?, ?, ?)",
            (doc["id"], doc["object"], parent, json.dumps(doc)),
        )

    def save(self, doc: Doc) -> None:
        """Replace a document that exists."""
        self.db.execute(
            "UPDATE object SET doc = ?, deleted = ? WHERE id = ?",
            (json.dumps(doc), bool(doc.get("deleted")), doc["id"]),
        )

    def get(self, ident: str) -> Doc | None:
        """Return a document by id."""
        row = self.db.execute("SELECT doc FROM object WHERE id = ?", (ident,)).fetchone()
        return json.loads(row[0]) if row else None

    def position(self, ident: str) -> int | None:
        """Return a document's place in the order of creation."""
        row = self.db.execute("SELECT seq FROM object WHERE id = ?", (ident,)).fetchone()
        return row[0] if row else None

    def find(
        self,
        name: str,
        where: Mapping[str, Any] | None = None,
        *,
        clauses: Iterable[Clause] = (),
        newest_first: bool = True,
        limit: int = -1,
    ) -> list[Doc]:
        """Return documents of one type; `where` compares JSON paths (without `$.`) for equality."""
        same = [(f"json_extract(doc, '$.{path}') = ?", is_) for path, is_ in (where or {}).items()]
        every = [("deleted = 0 AND type = ?", name), *same, *clauses]
        sql = f"SELECT doc FROM object WHERE {' AND '.join(clause[0] for clause in every)} "  # noqa: S608
        order = f"ORDER BY seq {'DESC' if newest_first else 'ASC'} LIMIT ?"
        values = [value for clause in every for value in clause[1:]]
        rows = self.db.execute(sql + order, (*values, limit))
        return [json.loads(row[0]) for row in rows]

    def children(self, parent: str, name: str) -> list[Doc]:
        """Return what belongs to `parent`, oldest first."""
        return self.find(name, clauses=[("parent = ?", parent)], newest_first=False)

    def owner(self, doc: Doc) -> Doc:
        """Return what a document belongs to; an empty one if to nothing."""
        sql = "SELECT doc FROM object WHERE id = (SELECT parent FROM object WHERE id = ?)"
        row = self.db.execute(sql, (doc["id"],)).fetchone()
        return json.loads(row[0]) if row else {}

    def adopt(self, idents: Iterable[str], parent: str) -> None:
        """Let documents belong to `parent` from now on."""
        pairs = [(parent, ident) for ident in idents]
        self.db.executemany("UPDATE object SET parent = ? WHERE id = ?", pairs)

    def setting(self, name: str, default: Any) -> Any:
        """Return one remembered setting."""
        row = self.db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else default

    def set_setting(self, name: str, value: Any) -> None:
        """Remember one setting."""
        self.db.execute("REPLACE INTO setting VALUES (?, ?)", (name, json.dumps(value)))

    def counts(self) -> dict[str, int]:
        """Return how many objects there are of each type."""
        sql = "SELECT type, count(*) FROM object WHERE deleted = 0 GROUP BY type"
        return dict(self.db.execute(sql).fetchall())

    def next_job(self, clock: str, by: int) -> tuple[int, int, str, str] | None:
        """Return what falls due first by a clock: its number, its moment, its kind, its subject."""
        sql = "SELECT seq, run_at, kind, subject FROM job WHERE clock = ? AND run_at <= ?"
        found = self.db.execute(f"{sql} ORDER BY run_at, seq LIMIT 1", (clock, by)).fetchone()
        return tuple(found) if found else None

    def clear(self, *, keep_endpoints: bool) -> None:
        """Forget everything, the webhook endpoints only if asked."""
        for table in _CLEARED:
            kept = {"object": " WHERE type <> 'webhook_endpoint'", "secret": " WHERE 0"}
            condition = kept.get(table, "") if keep_endpoints else ""
            self.db.execute(f"DELETE FROM {table}{condition}")  # noqa: S608 - names from above
