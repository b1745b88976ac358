"""The contract run finds what differs, finds nothing in two alike, and is careful with keys."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract import run
from tests.contract.scenarios import SCENARIOS, Scenario, dispute, events
from tests.contract.shapes import differences
from tests.sandbox.conftest import client, running


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with running("--data", str(tmp_path_factory.mktemp("contract"))) as url:
        yield client(url).v1


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_the_local_stripe_plays_every_scenario_to_its_end_and_alike_each_time(
    api: Any, capsys: pytest.CaptureFixture[str], scenario: Scenario
) -> None:
    assert run.compare(api, api, [scenario]) == 0
    assert "refused" not in capsys.readouterr().out


def test_what_stripe_shows_only_a_moment_later_is_waited_for(api: Any) -> None:
    assert run.play(dispute, api).keys() == {"card", "dispute", "charge"}
    assert run.play(events, api).keys() == {"customer.created", "customer.updated"}


def test_what_differs_is_named_with_both_sides(
    api: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def other(api: Any, note: Any) -> None:
        made = api.customers.create({"name": "Ada"})
        if other_side:
            del made["livemode"]
            made["balance"] = "none"
            made["tax_exempt"] = "exempt"
            made["metadata"]["a"] = "b"
            made["name"] = "Bob"
        note("customer", made)
        other_side.append(made)

    other_side: list[Any] = []
    assert run.compare(api, api, [other]) == 3
    said = capsys.readouterr().out
    assert "customer.balance: string at Stripe, integer here" in said
    assert "customer.livemode: absent at Stripe, boolean here" in said
    assert "customer.tax_exempt: 'exempt' at Stripe, 'none' here" in said


def test_a_refusal_of_one_side_is_a_difference(api: Any) -> None:
    calls: list[str] = []

    def unlike(api: Any, note: Any) -> None:
        calls.append("")
        note("one", api.customers.retrieve("cus_nobody") if calls[1:] else api.balance.retrieve())

    assert run.compare(api, api, [unlike]) == 2


def test_a_filled_list_is_not_an_empty_one() -> None:
    assert list(differences([], [1], at="x")) == ["x: filled at Stripe, empty here"]
    assert list(differences([2], [1], at="x")) == []


def test_without_a_key_it_says_so_and_is_content(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STRIPE_TEST_KEY", raising=False)
    assert run.main() == 0
    assert capsys.readouterr().out.startswith("Nothing was compared: set STRIPE_TEST_KEY")


@pytest.mark.parametrize("key", ["sk_live_x", "rk_live_x", "rk_test_x", "nonsense"])
def test_any_other_key_is_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    monkeypatch.setenv("STRIPE_TEST_KEY", key)
    assert run.main() == 2
    assert key not in capsys.readouterr().out


@pytest.mark.slow
def test_the_whole_run_of_one_local_stripe_against_another_finds_nothing(
    api: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STRIPE_TEST_KEY", "sk_test_other")
    before = run.LAST_RUN.read_text()
    with running("--data", str(tmp_path)) as url:
        assert run.main([url]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "no differences in all"
    assert run.LAST_RUN.read_text() == before
