"""Try the tests: what decides about access and money is spoilt in every small way, one at a time.

`./dev mutants` takes minutes; `./dev mutants decide` or `decide._next_change` tries only what is
named so. A mutant lives in memory alone: a forked process imports the spoilt text in the module's
place and runs the tests beside it, on SQLite. One that no test notices is a survivor, unless
`argued.toml` says why nobody could notice; an argument about a mutant that is killed, or that there
is no more, fails the run as a survivor does.

mutmut and cosmic-ray were looked at: the first leaves alone what is not in a function, and so the
tables; the second writes into the tree others work in.
"""

import gc
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from io import StringIO
from pathlib import Path
from types import CodeType
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.mutants import Mutant, mutants
from tests.support import databases

ROOT = Path(__file__).resolve().parents[2]
ARGUED: Final = Path(__file__).with_name("argued.toml")
LIMIT: Final = 120  # seconds for the tests of one mutant; one that never ends is killed
# What the tests import anyhow, and no target is imported by.
_WARM: Final = ("fastapi.testclient", "limits.aio.storage", "structlog", "tests.support.stripe")
_PASSED, _FAILED, _NOT_IMPORTED = (
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.INTERRUPTED,
)


@dataclass(frozen=True, slots=True)
class Target:
    """A module, and the tests that must notice whatever changes in it."""

    module: str
    tests: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Where the module is."""
        return ROOT / f"{self.module.replace('.', '/')}.py"


TARGETS: Final[Mapping[str, Target]] = {
    # The decision.
    "decide": Target("billing.access.decide", ("tests/billing/access/test_decide.py",)),
    # The status table: what Stripe says of a subscription, and the rights that follow.
    "periods": Target(
        "billing.stripe_gateway.periods", ("tests/billing/stripe_gateway/test_periods.py",)
    ),
    "mirror": Target(
        "billing.subscriptions.mirror", ("tests/billing/subscriptions/test_mirror.py",)
    ),
    "entitlements": Target(
        "billing.access.entitlements", ("tests/billing/access/test_entitlements.py",)
    ),
    # The posting rules.
    "posting": Target("billing.books.posting", ("tests/billing/books/test_posting.py",)),
    "chart": Target("billing.books.chart", ("tests/billing/books/test_posting.py",)),
    # The currency table.
    "money": Target("billing.money", ("tests/billing/test_money.py",)),
    # The signature check.
    "signature": Target("webhooks.signature", ("tests/webhooks/test_signature.py",)),
}


@dataclass(frozen=True, slots=True)
class _InItsPlace:
    """Finds one module, and leaves every other to whoever finds it."""

    target: Target
    text: str

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _module: object = None
    ) -> ModuleSpec | None:
        if fullname != self.target.module:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None:
            spec.loader = _OtherText(self.target, self.text)
        return spec


class _OtherText(SourceFileLoader):
    """Imports a module from another text than its file's."""

    def __init__(self, target: Target, text: str) -> None:
        super().__init__(target.module, str(target.path))
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec", dont_inherit=True)


def survives(target: Target, text: str, *, template: Path) -> bool:
    """Whether a module's tests all pass with another text in its place.

    Raises:
        RuntimeError: the tests could not be run, so that nothing can be said.
    """
    child = os.fork()
    if not child:
        os._exit(_test(target, text, template))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in {_PASSED, _FAILED, _NOT_IMPORTED, -signal.SIGALRM}:
        raise RuntimeError(f"{target.module}: the tests ended with {status}")
    return status == _PASSED


def _test(target: Target, text: str, template: Path) -> int:
    sys.modules.pop(target.module, None)  # whoever has it keeps it; its tests import it anew
    signal.alarm(LIMIT)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    sys.meta_path.insert(0, _InItsPlace(target, text))
    # The migrations are not what is tried: one migrated file, copied, will do for all.
    pytest.MonkeyPatch().setattr(
        databases, "upgrade", lambda url: shutil.copyfile(template, _file_of(url))
    )
    own = template.with_name("own")
    options = ["-x", "--fast", f"--basetemp={own}", "-o", f"cache_dir={own}_cache"]
    return pytest.main([*options, *target.tests])


def main(arguments: Sequence[str]) -> int:
    """Try every mutant that is named; the last line says what became of them."""
    name = arguments[0] if arguments else ""
    tried = {short: list(named(name, short)) for short in TARGETS}
    names = {mutant.name for some in tried.values() for mutant in some}
    if not names:
        print(f"Nothing is called {name!r}; there are {', '.join(TARGETS)}, and what is in them.")
        return 2
    left: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        template = _prepare(Path(folder))
        for short, some in tried.items():
            left |= _survivors(TARGETS[short], some, template) if some else set()
    return _report(names, left, {each: why for each, why in argued().items() if _is(each, name)})


def argued() -> dict[str, str]:
    """Return why each survivor we know of does not matter, by its name."""
    return {each["mutant"]: each["because"] for each in tomllib.loads(ARGUED.read_text())["argued"]}


def named(name: str, short: str) -> Iterator[Mutant]:
    """Give the mutants of a target whose names begin with one; all of them for ''."""
    for mutant in mutants(TARGETS[short].path.read_text()):
        whole = f"{short}.{mutant.name}"
        if _is(whole, name):
            yield Mutant(whole, mutant.text)


def _is(mutant: str, name: str) -> bool:
    return not name or mutant.startswith((f"{name}.", f"{name}:"))


def _survivors(target: Target, tried: Sequence[Mutant], template: Path) -> set[str]:
    began = time.monotonic()
    if not survives(target, target.path.read_text(), template=template):
        sys.exit(f"{target.module}: its tests fail as it is; nothing can be said")
    left = {mutant.name for mutant in tried if survives(target, mutant.text, template=template)}
    took = time.monotonic() - began
    print(f"· {target.module}: {len(tried)} mutants in {took:.0f} s", flush=True)
    return left


def _report(names: set[str], left: set[str], known: Mapping[str, str]) -> int:
    survivors, stale = left - known.keys(), known.keys() - left
    for each in sorted(survivors):
        print(f"survived: {each}")
    for each in sorted(stale):
        print(f"argued, but {'killed' if each in names else 'not there'}: {each}")
    print(
        f"mutants {len(names)} · killed {len(names - left)} · argued {len(left - survivors)}"
        f" · survivors {len(survivors)}" + (f" · stale arguments {len(stale)}" if stale else "")
    )
    return 1 if survivors or stale else 0


def _prepare(folder: Path) -> Path:
    """Do once what every process would do again; return a migrated database to copy."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    settings.register_profile(
        "mutants",
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutants")
    for module in _WARM:
        importlib.import_module(module)
    with redirect_stdout(StringIO()):
        pytest.main(["--collect-only", str(ARGUED.parent)])
    gc.freeze()
    return _file_of(databases.SqliteTemplate(folder).url)


def _file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
