"""What the network and our own processes do: lose, double, delay, fail, die and begin anew."""

import os
import signal
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from billing import reconciliation, subscriptions
from billing.context import Context
from billing.reconciliation.sweep import sweep
from tests.chaos import model, ours, points
from tests.chaos.forked import in_a_process
from tests.chaos.rules.history import STEPS, History, once_somebody_paid, picks
from tests.chaos.world import World
from webhooks import inbox, poll

A_WHILE = 0.1  # seconds: longer would show no more, and every history waits for it
# What of Stripe's answers may go wrong, in the words of the local Stripe's list.
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "error", "status": 500},
    {"kind": "kept_error", "status": 500},
    {"kind": "rate_limited"},
    {"kind": "lock_timeout"},
    {"kind": "lock_timeout_final"},
    {"kind": "locked"},
    {"kind": "key_in_use"},
    {"kind": "dropped"},
    {"kind": "dropped", "after_effect": True},
    {"kind": "cut"},
    {"kind": "truncated"},
    {"kind": "html"},
    {"kind": "moved"},
    {"kind": "moved", "after_effect": True},
    {"kind": "drip", "delay": A_WHILE},
    {"kind": "slow", "delay": A_WHILE},
)
POLLS: tuple[Callable[[Context], Any], ...] = (
    poll.poll_events,
    reconciliation.poll_unfinished,
    reconciliation.poll_balance_transactions,
    reconciliation.finish_commands,
)
place = st.integers(min_value=0, max_value=40)  # in a list that may be shorter: it goes round


class Network(History):
    """The network, and our processes."""

    @rule(
        places=st.lists(place, min_size=1, max_size=12),
        again=st.lists(place, max_size=4),
        worked=st.sampled_from([0, 3, 12]),
    )
    def webhooks_arrive(self, places: list[int], again: list[int], worked: int) -> None:
        """Some of what was said arrives, in any order, some twice, and some is worked off."""
        self._hear(places, again)
        if worked:
            inbox.handle_due(self.context, most=worked)

    def _hear(self, places: Sequence[int], again: Sequence[int] = ()) -> None:
        """Let arrive what stands at these places of what is left unsent, one after the other."""
        self._listen()
        chosen = [self.unsent.pop(at % len(self.unsent)) for at in places if self.unsent]
        doubled = [chosen[at % len(chosen)] for at in again if chosen]
        answers = self.world.deliver([*chosen, *doubled])
        assert set(answers) <= {200}
        self.sent += chosen

    @rule(count=st.integers(1, 12))
    def webhooks_are_lost(self, count: int) -> None:
        self._listen()
        del self.unsent[:count]

    @rule(pick=picks)
    def an_old_webhook_comes_again(self, pick: int) -> None:
        """An event of long ago, in the shape of an API version of long ago."""
        if self.sent:
            event = self.sent[pick % len(self.sent)]
            assert self.world.deliver([ours.in_old_shape(event)]) == [200]

    @rule(fault=st.sampled_from(FAULTS), method=st.sampled_from(["", "POST"]))
    def stripe_will_fail(self, fault: dict[str, Any], method: str) -> None:
        self.world.stripe.control("fail_next", method=method, **fault)

    @rule(most=st.integers(1, 10))
    def the_worker_works(self, most: int) -> None:
        inbox.handle_due(self.context, most=most)

    @rule(sooner=st.integers(1, 30), count=st.integers(0, 12))
    def a_worker_is_killed(self, sooner: int, count: int) -> None:
        """A worker, a process of its own, is killed by `kill -9` amid its work, if it has so much.

        Args:
            sooner: at how many-th commit or call.
            count: how much has just come in for it to work through; where nothing has, it asks
                Stripe what is new.
        """
        self._hear([0] * count)
        left = sooner

        def come_by(_name: str) -> None:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        def live(world: World) -> None:
            with points.watched(come_by):
                for work in (ours.work_off,) if count else POLLS:
                    work(world.context)

        self.world.shut()
        why = in_a_process(self.world, live)
        STEPS["killed" if "killed" in why else "not killed"] += 1
        self.world.restart()

    @rule()
    def we_begin_anew(self) -> None:
        """The process ends and another begins."""
        self.world.restart()

    @rule()
    def the_polls_run(self) -> None:
        for work in POLLS:
            with self._may_fail():
                work(self.context)

    @rule(days=st.sampled_from([7, 35]))
    def the_sweep_runs(self, days: int) -> None:
        sweep(self.context, since=self.context.clock.now() - timedelta(days=days))

    @once_somebody_paid
    @rule(pick=picks)
    def one_look_is_enough(self, pick: int) -> None:
        """Whoever we have just looked at may read for exactly as long as they should."""
        ours_there = [doc["id"] for doc in self._stripe().subscriptions()]
        if not ours_there:
            return
        looked_at = ours_there[pick % len(ours_there)]
        with self._may_fail():
            subscriptions.look_again(self.context, looked_at)
            (doc,) = (doc for doc in self._stripe().subscriptions() if doc["id"] == looked_at)
            until, now = model.reads_until(self._stripe(), doc), self._now()
            with self.context.db.reading() as session:
                held = ours.held_until(session, now=now).get(looked_at, 0)
            assert held == (until if until > now else 0), f"{looked_at}: {held}, not {until}"
