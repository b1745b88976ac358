"""The decision, exhaustively: every reason, every instant it changes, and what may never happen."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.access import Decision, Facts, Flag, Policy, Reason, Right, decide
from billing.access.decide import Opening, decide_blindly, decide_for_search_bot
from billing.access.reasons import BY_RANK, for_reader
from billing.models import OpenTo

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
WINDOW_ENDS = datetime(2026, 12, 1, tzinfo=UTC)
SUBSCRIPTION, GRACE, COMP = (Reason.SUBSCRIBER, Reason.GRACE, Reason.COMP)


def right(source: Reason, starts: int = -1, ends: int | None = 1, *, unit: str = "days") -> Right:
    """Make a right by its distance from now."""
    until = None if ends is None else NOW + timedelta(**{unit: ends})
    return Right(source, NOW + timedelta(**{unit: starts}), until)


def ask(
    *rights: Right,
    used: int = 0,
    read_before: bool = False,
    limit: int = 3,
    now: datetime = NOW,
) -> Decision:
    facts = Facts(rights, used=used, read_before=read_before, window_ends=WINDOW_ENDS)
    return decide(facts, now=now, policy=Policy(limit))


def test_of_the_closed_list_these_refuse_and_all_others_let_in() -> None:
    assert {reason.value for reason in Reason if not reason.grants} == {
        "prepared",
        "locked",
        "limit_reached",
        "unavailable",
    }
    assert {reason.value for reason in Reason if reason.grants} == {
        "free",
        "subscriber",
        "offline",
        "seat",
        "gift",
        "comp",
        "staff",
        "grace",
        "provisional",
        "break_glass",
        "gift_link",
        "search_bot",
        "outage",
        "metered",
        "reread",
    }


@pytest.mark.parametrize(
    ("used", "read_before", "reason", "told", "remaining"),
    [
        (0, False, Reason.METERED, 1, 2),
        (1, False, Reason.METERED, 2, 1),
        (2, False, Reason.METERED, 3, 0),
        (3, False, Reason.LIMIT_REACHED, 3, 0),
        (4, False, Reason.LIMIT_REACHED, 4, 0),
        (1, True, Reason.REREAD, 1, 2),
        (3, True, Reason.REREAD, 3, 0),
        (4, True, Reason.REREAD, 4, 0),
    ],
)
def test_without_a_right_the_free_articles_decide(
    used: int, *, read_before: bool, reason: Reason, told: int, remaining: int
) -> None:
    decision = ask(used=used, read_before=read_before)
    assert decision.reason is reason
    assert decision.granted == (reason is not Reason.LIMIT_REACHED)
    assert decision.valid_until == WINDOW_ENDS
    assert decision.meter is not None
    assert (decision.meter.used, decision.meter.limit) == (told, 3)
    assert (decision.meter.remaining, decision.meter.resets_at) == (remaining, WINDOW_ENDS)


def test_a_paper_that_gives_nothing_away_refuses_the_first_article() -> None:
    assert ask(limit=0).reason is Reason.LIMIT_REACHED


def test_of_several_rights_the_paid_one_is_named_then_the_given_one_then_grace() -> None:
    named = {
        frozenset(held): ask(*(right(source) for source in held)).reason
        for n in (1, 2, 3)
        for held in itertools.combinations((SUBSCRIPTION, COMP, GRACE), n)
    }
    assert named == {
        frozenset({SUBSCRIPTION}): Reason.SUBSCRIBER,
        frozenset({COMP}): Reason.COMP,
        frozenset({GRACE}): Reason.GRACE,
        frozenset({SUBSCRIPTION, COMP}): Reason.SUBSCRIBER,
        frozenset({SUBSCRIPTION, GRACE}): Reason.SUBSCRIBER,
        frozenset({COMP, GRACE}): Reason.COMP,
        frozenset({SUBSCRIPTION, COMP, GRACE}): Reason.SUBSCRIBER,
    }


def test_a_right_begins_at_its_first_instant_and_is_over_at_its_last() -> None:
    held = right(SUBSCRIPTION, 0, 10, unit="seconds")
    instants = {
        -1: Reason.LIMIT_REACHED,
        0: Reason.SUBSCRIBER,
        9: Reason.SUBSCRIBER,
        10: Reason.LIMIT_REACHED,
    }
    for seconds, reason in instants.items():
        assert ask(held, used=3, now=NOW + timedelta(seconds=seconds)).reason is reason


@pytest.mark.parametrize(
    ("rights", "changes_in_days"),
    [
        ([right(SUBSCRIPTION)], 1),
        ([right(COMP, -1, None)], None),
        ([right(SUBSCRIPTION, -1, 2), right(SUBSCRIPTION, 1, 4)], 4),
        ([right(SUBSCRIPTION, -1, 2), right(SUBSCRIPTION, 2, 4)], 4),
        ([right(SUBSCRIPTION, -1, 2), right(GRACE, 2, 4)], 2),
        ([right(SUBSCRIPTION, -1, 2), right(COMP, -1, None)], 2),
        ([right(COMP, -1, 4), right(SUBSCRIPTION, 2, 3)], 2),
        ([right(SUBSCRIPTION, 3, 4)], 3),
        ([right(SUBSCRIPTION, -4, -3)], 7.583333333333333),
        ([right(SUBSCRIPTION, 20, 30)], 7.583333333333333),
    ],
)
def test_the_answer_says_until_when_it_holds(
    rights: list[Right], changes_in_days: float | None
) -> None:
    expected = None if changes_in_days is None else NOW + timedelta(days=changes_in_days)
    assert ask(*rights).valid_until == expected


@pytest.mark.parametrize(
    ("rights", "used", "read_before", "because"),
    [
        ([right(SUBSCRIPTION)], 0, False, "You are a subscriber. Thank you."),
        ([right(COMP)], 0, False, "The paper has given you access until 24 November 2026."),
        ([right(COMP, -1, None)], 0, False, "The paper has given you access."),
        (
            [right(COMP, -1, 1), right(COMP, -1, 3), right(COMP, -1, 2)],
            0,
            False,
            "The paper has given you access until 26 November 2026.",
        ),
        ([right(COMP, -1, 1), right(COMP, -1, None)], 0, False, "The paper has given you access."),
        (
            [right(GRACE, -1, 12)],
            0,
            False,
            (
                "Your last payment did not arrive. You can read on until 5 December 2026"
                " while you put it right."
            ),
        ),
        (
            [right(Reason.PROVISIONAL)],
            0,
            False,
            "We are looking at how your subscription stands. Read on meanwhile.",
        ),
        ([], 1, False, "This is free article 2 of 3. The count restarts on 1 December 2026."),
        ([], 1, True, "You have opened this article before, so opening it again is free."),
        (
            [],
            3,
            False,
            "You have read your 3 free articles. The count restarts on 1 December 2026.",
        ),
    ],
)
def test_every_answer_has_its_sentence(
    rights: list[Right], used: int, *, read_before: bool, because: str
) -> None:
    assert ask(*rights, used=used, read_before=read_before).because == because


def test_days_are_told_as_london_has_them() -> None:
    midnight = datetime(2026, 6, 30, 23, 0, tzinfo=UTC)  # in London it is July already
    gone = Facts((), used=3, read_before=False, window_ends=midnight)
    given_till_then = Facts(
        (Right(COMP, NOW - timedelta(days=300), midnight),),
        0,
        read_before=False,
        window_ends=midnight,
    )
    before = midnight - timedelta(days=1)

    because = [decide(f, now=before, policy=Policy(3)).because for f in (gone, given_till_then)]

    assert because == [
        "You have read your 3 free articles. The count restarts on 1 July 2026.",
        "The paper has given you access until 30 June 2026.",
    ]


def test_a_free_article_is_free_for_everybody_and_for_ever() -> None:
    for rights in ((), (right(SUBSCRIPTION),)):
        facts = Facts(rights, used=9, read_before=False, window_ends=WINDOW_ENDS, flag=Flag.FREE)
        assert decide(facts, now=NOW, policy=Policy(3)) == Decision(
            Reason.FREE, "This article is free for everybody.", None, None
        )


def test_a_locked_article_takes_a_right_whatever_is_left_or_was_read() -> None:
    def locked(*rights: Right, read_before: bool = False) -> Decision:
        facts = Facts(rights, 0, read_before, WINDOW_ENDS, flag=Flag.LOCKED)
        return decide(facts, now=NOW, policy=Policy(3))

    assert locked() == locked(read_before=True)
    assert locked() == Decision(Reason.LOCKED, "This article is for subscribers.", None, None)
    assert locked(right(COMP)).reason is Reason.COMP
    assert locked(right(SUBSCRIPTION, 3, 4)).valid_until == NOW + timedelta(days=3)


def test_what_nobody_reads_yet_is_not_counted_and_opens_only_what_was() -> None:
    def prepared(used: int, *, read_before: bool = False) -> Decision:
        facts = Facts((), used, read_before, WINDOW_ENDS, counts=False)
        return decide(facts, now=NOW, policy=Policy(3))

    first = prepared(1)
    assert (first.reason, first.because, first.granted) == (
        Reason.PREPARED,
        "Open the article to read it.",
        False,
    )
    assert first.meter is not None
    assert first.meter.used == 1
    assert prepared(1, read_before=True).reason is Reason.REREAD
    assert prepared(3).reason is Reason.LIMIT_REACHED


HOUR = timedelta(hours=1)


def opened(open_to: OpenTo, *rights: Right, now: datetime = NOW) -> Decision:
    opening = Opening(open_to, NOW - HOUR, NOW + HOUR)
    facts = Facts(rights, 3, read_before=False, window_ends=WINDOW_ENDS, openings=(opening,))
    return decide(facts, now=now, policy=Policy(3))


def test_an_opened_paper_is_open_for_its_time_and_no_longer() -> None:
    decision = opened(OpenTo.EVERYONE)
    assert (decision.reason, decision.because) == (
        Reason.BREAK_GLASS,
        "The paper is open to you for the time being.",
    )
    assert decision.valid_until == NOW + HOUR
    reasons = {
        -HOUR - timedelta(seconds=1): Reason.LIMIT_REACHED,
        -HOUR: Reason.BREAK_GLASS,
        HOUR - timedelta(seconds=1): Reason.BREAK_GLASS,
        HOUR: Reason.LIMIT_REACHED,
    }
    for since, reason in reasons.items():
        assert opened(OpenTo.EVERYONE, now=NOW + since).reason is reason
    assert opened(OpenTo.EVERYONE, right(GRACE)).reason is Reason.GRACE


@pytest.mark.parametrize(
    ("held", "opens"),
    [
        (right(SUBSCRIPTION, -90, -59), True),
        (right(SUBSCRIPTION, -90, -61), False),
        (Right(SUBSCRIPTION, NOW - timedelta(days=90), NOW - HOUR - timedelta(days=60)), False),
        (
            Right(
                SUBSCRIPTION, NOW - timedelta(days=90), NOW - HOUR - timedelta(days=60, seconds=-1)
            ),
            True,
        ),
        (right(Reason.OFFLINE, -90, -1), True),
        (right(Reason.SEAT, -90, -1), True),
        (right(Reason.GIFT, -90, -1), True),
        (right(GRACE, -9, -1), True),
        (right(COMP, -90, -1), False),
        (right(Reason.STAFF, -90, -1), False),
        (right(Reason.PROVISIONAL, -9, -1), False),
        (Right(SUBSCRIPTION, NOW + HOUR, None), False),
        (Right(SUBSCRIPTION, NOW + HOUR - timedelta(seconds=1), None), True),
    ],
)
def test_opened_to_subscribers_it_is_open_to_whoever_we_last_knew_as_one(
    held: Right, *, opens: bool
) -> None:
    wanted = Reason.BREAK_GLASS if opens else Reason.LIMIT_REACHED
    assert opened(OpenTo.SUBSCRIBERS, held).reason is wanted
    assert opened(OpenTo.SUBSCRIBERS).reason is Reason.LIMIT_REACHED


def test_while_nothing_can_be_looked_up_the_paper_decides_and_free_stays_free() -> None:
    answers = {
        (flag, opens): decide_blindly(flag, opens=opens) for flag in Flag for opens in (True, False)
    }
    assert {key: answer.reason for key, answer in answers.items()} == {
        (Flag.FREE, True): Reason.FREE,
        (Flag.FREE, False): Reason.FREE,
        (Flag.METERED, True): Reason.OUTAGE,
        (Flag.METERED, False): Reason.UNAVAILABLE,
        (Flag.LOCKED, True): Reason.OUTAGE,
        (Flag.LOCKED, False): Reason.UNAVAILABLE,
    }
    assert {(answer.valid_until, answer.meter) for answer in answers.values()} == {(None, None)}


def test_a_search_engine_reads_what_it_finds_for_others() -> None:
    sentence = "Search engines may read this article to find it for others."
    assert decide_for_search_bot() == Decision(Reason.SEARCH_BOT, sentence, None, None)


def test_of_all_rights_that_hold_the_first_by_rank_is_named() -> None:
    for held in itertools.combinations(BY_RANK, 2):
        assert ask(*(right(reason) for reason in reversed(held))).reason is held[0]


def test_flags_go_by_these_words_outside() -> None:
    assert {flag.name: flag.value for flag in Flag} == {
        "FREE": "free",
        "METERED": "metered",
        "LOCKED": "locked",
    }


@pytest.mark.parametrize(
    ("ends", "day"),
    [
        (datetime(2026, 6, 30, 23, 0, tzinfo=UTC), "30 June 2026"),  # midnight in London
        (datetime(2026, 6, 30, 23, 0, 0, 1, tzinfo=UTC), "1 July 2026"),
        (datetime(2026, 6, 30, 23, 30, tzinfo=UTC), "1 July 2026"),
        (datetime(2026, 6, 30, 12, 0, tzinfo=UTC), "30 June 2026"),
    ],
)
def test_the_last_day_that_is_told_is_the_last_on_which_it_holds_in_london(
    ends: datetime, day: str
) -> None:
    given = Right(COMP, ends - timedelta(days=9), ends)
    told = ask(given, now=ends - timedelta(days=1)).because
    assert told == f"The paper has given you access until {day}."


def test_the_day_that_is_told_is_of_the_right_that_is_named() -> None:
    told = ask(right(COMP, -1, 2), right(GRACE, -1, 9)).because
    assert told == "The paper has given you access until 25 November 2026."


def test_every_reason_has_a_sentence_for_the_reader_and_one_for_staff() -> None:
    for reason in Reason:
        told = for_reader(reason, day="30 June 2026", used=1, limit=1)
        assert told.endswith(".")
        assert "{" not in told
        assert reason.for_staff.endswith(".")
    assert for_reader(Reason.LIMIT_REACHED, day="1 July", limit=1).startswith(
        "You have read your 1 free article. "
    )
    assert for_reader(Reason.SEAT, day="30 June 2026") == (
        "You read by a seat of your organisation until 30 June 2026."
    )


offsets = st.integers(min_value=-50, max_value=50)
rights_near_now = st.builds(
    lambda source, starts, lasts: Right(
        source,
        NOW + timedelta(hours=starts),
        None if lasts is None else NOW + timedelta(hours=starts + lasts),
    ),
    st.sampled_from(BY_RANK),
    offsets,
    st.none() | st.integers(min_value=1, max_value=80),
)
openings = st.builds(
    lambda open_to, starts, lasts: Opening(
        open_to, NOW + timedelta(hours=starts), NOW + timedelta(hours=starts + lasts)
    ),
    st.sampled_from(OpenTo),
    offsets,
    st.integers(min_value=1, max_value=80),
)
facts = st.builds(
    Facts,
    rights=st.lists(rights_near_now, max_size=5).map(tuple),
    used=st.integers(min_value=0, max_value=5),
    read_before=st.booleans(),
    window_ends=st.just(WINDOW_ENDS),
    flag=st.sampled_from(Flag),
    counts=st.booleans(),
    openings=st.lists(openings, max_size=2).map(tuple),
)
policies = st.builds(Policy, limit=st.integers(min_value=0, max_value=5))


@given(facts, policies, rights_near_now)
def test_one_more_right_never_means_less_access(known: Facts, policy: Policy, more: Right) -> None:
    before = decide(known, now=NOW, policy=policy)
    after = decide(replace(known, rights=(*known.rights, more)), now=NOW, policy=policy)
    assert after.granted or not before.granted


@given(facts, policies, st.integers(min_value=0, max_value=150))
def test_until_the_instant_it_names_time_alone_changes_nothing_and_then_it_does(
    known: Facts, policy: Policy, hours: int
) -> None:
    first = decide(known, now=NOW, policy=policy)
    later = NOW + timedelta(hours=hours)
    if first.valid_until is None or later < first.valid_until:
        assert decide(known, now=later, policy=policy) == first
    elif first.valid_until < WINDOW_ENDS:
        then = decide(known, now=first.valid_until, policy=policy)
        assert (then.reason, then.because) != (first.reason, first.because)


@given(facts, policies)
def test_whoever_has_a_right_is_not_metered_and_whoever_has_none_is(
    known: Facts, policy: Policy
) -> None:
    decision = decide(known, now=NOW, policy=policy)
    has_right = any(held.holds(NOW) for held in known.rights)
    assert decision.granted or not has_right
    if known.flag is Flag.METERED and not known.openings:
        assert (decision.meter is None) == has_right
