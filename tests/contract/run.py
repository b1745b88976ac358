"""`./dev contract`: play the same scenarios at Stripe and at the local one, and compare the shapes.

The key in STRIPE_TEST_KEY must be of a test mode or sandbox: what is made there is made for real.
"""

import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import stripe

from tests.contract.scenarios import SCENARIOS, Scenario
from tests.contract.shapes import differences
from tests.sandbox.conftest import client, running

LAST_RUN = Path(__file__).with_name("last_run.txt")
_STRIPE = "https://api.stripe.com"
_FAILED, _REFUSED = 1, 2

Notes = dict[str, Any]


def main(arguments: Sequence[str] = ()) -> int:
    """Compare, and return 0 where no difference was found; an address may stand for Stripe's."""
    key = os.environ.get("STRIPE_TEST_KEY", "")
    if not key:
        print(
            "Nothing was compared: set STRIPE_TEST_KEY to a key that begins sk_test_. "
            f"Last compared with Stripe: {LAST_RUN.read_text().strip()}."
        )
        return 0
    if not key.startswith("sk_test_"):
        print("Refused: STRIPE_TEST_KEY must begin sk_test_. A live key has no business here.")
        return _REFUSED
    there = arguments[0] if arguments else _STRIPE
    with tempfile.TemporaryDirectory() as data, running("--data", data) as here:
        found = compare(client(here).v1, client(there, key).v1, SCENARIOS)
    if there == _STRIPE:
        LAST_RUN.write_text(f"{datetime.now(UTC):%Y-%m-%d}, {stripe.api_version}\n")
    return _FAILED if found else 0


def compare(here: Any, there: Any, scenarios: Iterable[Scenario]) -> int:
    """Play every scenario on both sides, print where they differ, and return in how many places."""
    total = 0
    for scenario in scenarios:
        ours, theirs = play(scenario, here), play(scenario, there)
        lines = [
            line
            for name in ours | theirs
            for line in differences(ours.get(name), theirs.get(name), at=name)
        ]
        total += len(lines)
        print(f"{scenario.__name__}: {len(lines) or 'no'} differences in {len(theirs)} answers")
        for line in lines:
            print(f"    {line}")
    print(f"{total or 'no'} differences in all")
    return total


def play(scenario: Scenario, api: Any) -> Notes:
    """Return what a scenario was answered; a refusal ends it, and is itself what is compared."""
    notes: Notes = {}

    def note(name: str, answer: Any) -> Any:
        notes[name] = answer.to_dict()
        return answer

    try:
        scenario(api, note)
    except stripe.StripeError as refusal:
        notes["refusal"] = {"status": refusal.http_status, "words": str(refusal.user_message)}
        print(f"    {scenario.__name__} was refused: {refusal.user_message or refusal}")
    return notes


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
