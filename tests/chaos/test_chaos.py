"""A little chaos in every run of the tests; `./dev chaos` makes as much as one likes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from stripe import HTTPClient

from tests.chaos import points
from tests.chaos.crash import crash_everywhere, where_to_die
from tests.chaos.play import play
from tests.chaos.scenes import money, people
from tests.chaos.scenes.all import SCENES
from tests.chaos.world import World
from tests.support import postgres

pytestmark = pytest.mark.slow

FEW = 12
# One of each kind: our word given, Stripe asked, the answer come, its effects written, an event
# taken in; and what must never be done twice.
TELLING = {
    people.somebody_subscribes: (
        "committed billing/stripe_gateway/commands.py:_take",
        "answered billing/checkout/at_stripe.py:_opening",
        "committed billing/queue/lease.py:_claim_patiently",
        "committed billing/checkout/settle.py:settle",
        "committed webhooks/writer.py:_Connection._run",
    ),
    money.money_is_given_back: ("answered billing/payments/refund.py:finish_refund",),
}


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
    scenes = [scene for scene in SCENES if scene.play in TELLING]
    telling = {point for points in TELLING.values() for point in points}
    found = crash_everywhere(world, scenes=scenes, chosen=telling.__contains__)

    assert found.wrong == {}
    assert found.hit == dict.fromkeys(telling, 1)


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_every_place_that_commits_or_asks_stripe_is_come_by_in_some_scene(world: World) -> None:
    """Whoever writes a new one adds to a scene, or writes one: it is to be killed there too."""
    assert {death.point for death in where_to_die(world)} == points.written_down()
