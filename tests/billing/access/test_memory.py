"""What a process remembers: no more than it may, and nothing that has changed meanwhile."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from billing.access.check import Person
from billing.access.memory import Memory

UNTIL = datetime(2026, 12, 1, tzinfo=UTC)


def somebody(reader_id: UUID | None = None) -> Person:
    return Person(reader_id, "r:x" if reader_id else "v:x", "", "", (), UNTIL)


def test_whoever_asked_longest_ago_is_forgotten_first() -> None:
    memory = Memory(most=3)
    for cookie in "abc":
        memory.keep(cookie, somebody())
    memory.get("a")
    memory.keep("d", somebody())
    assert [memory.get(cookie) is not None for cookie in "abcd"] == [True, False, True, True]
    assert len(memory) == 3


def test_a_reader_is_forgotten_in_each_of_their_browsers_and_nobody_else_is() -> None:
    memory, rosa, karl = Memory(), uuid4(), uuid4()
    for cookie, reader_id in (("phone", rosa), ("desk", rosa), ("karl", karl)):
        memory.keep(cookie, somebody(reader_id))
    memory.keep("visitor", somebody())
    memory.forget(rosa)
    cookies = ("phone", "desk", "karl", "visitor")
    assert [memory.get(cookie) is not None for cookie in cookies] == [False, False, True, True]


def test_what_is_forgotten_for_want_of_room_leaves_nothing_behind() -> None:
    memory = Memory(most=1)
    for _ in range(100):
        memory.keep(uuid4().hex, somebody(uuid4()))
    assert len(memory) == len(memory._cookies) == 1


def test_a_look_during_which_a_reader_changed_is_not_kept_of_them_and_is_of_others() -> None:
    memory, rosa, karl = Memory(), uuid4(), uuid4()
    with memory.looking() as look:
        memory.forget(rosa)
        assert not look.may_keep(somebody(rosa))
        assert look.may_keep(somebody(karl))
        assert look.may_keep(somebody())
    with memory.looking() as later:
        assert later.may_keep(somebody(rosa))


def test_a_look_during_which_everybody_changed_is_kept_of_nobody() -> None:
    memory = Memory()
    memory.keep("a", somebody())
    with memory.looking() as look:
        memory.forget_everybody()
        assert not look.may_keep(somebody())
    assert len(memory) == 0
    memory.forget_everybody()
    with memory.looking() as later:
        assert later.may_keep(somebody(uuid4()))


def test_a_reader_who_comes_with_another_cookie_of_the_same_name_is_kept_once() -> None:
    memory, rosa = Memory(), uuid4()
    memory.keep("a", somebody(rosa))
    memory.keep("a", somebody())
    memory.forget(rosa)
    assert memory.get("a") is not None
