"""A little chaos in every run of the tests; `./dev chaos` makes as much as one likes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from stripe import HTTPClient

from tests.chaos import points
from tests.chaos.__main__ import play
from tests.chaos.crash import crash_everywhere
from tests.chaos.world import World
from tests.support import postgres

pytestmark = pytest.mark.slow

FEW = 12
# One of each kind: our word given, Stripe asked, the answer come, its effects written.
TELLING = (
    "answered billing/checkout/at_stripe.py:_opening",
    "committed billing/stripe_gateway/commands.py:_take",
    "committed billing/queue/lease.py:_claim_patiently",
    "committed billing/checkout/settle.py:settle",
)


@pytest.fixture(params=["sqlite", "postgresql"])
def world(
    request: pytest.FixtureRequest, tmp_path: Path, worker_id: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    monkeypatch.setattr(HTTPClient, "INITIAL_DELAY", 0)
    monkeypatch.setattr(HTTPClient, "MAX_DELAY", 0)
    try:
        opened = World(tmp_path, database=request.param, worker=f"chaos_{worker_id}")
    except postgres.NoPostgresqlError as none_here:
        pytest.skip(f"no PostgreSQL: {none_here}")
    yield opened
    opened.close()


def test_whatever_happens_we_end_with_what_stripe_has_and_nothing_is_ever_broken(
    world: World,
) -> None:
    play(world, histories=FEW, seed=95, shrink=False)


def test_a_process_killed_after_a_commit_or_around_a_call_leaves_nothing_undone(
    world: World,
) -> None:
    found = crash_everywhere(world, choose=lambda _reached: list(TELLING))

    assert found.wrong == {}
    assert set(found.hit) == set(TELLING)


def test_every_place_that_commits_or_asks_stripe_is_known_as_a_point() -> None:
    assert set(TELLING) <= points.written_down()
