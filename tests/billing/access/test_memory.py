"""What a process remembers: no more than it may, and nothing that has changed meanwhile."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from billing.access.case import Person, Question
from billing.access.memory import Memory

UNTIL = datetime(2026, 12, 1, tzinfo=UTC)


def by(cookie: str) -> Question:
    """Ask as a visitor with a cookie, or as a reader where it begins with an r."""
    if cookie.startswith("r"):
        return Question("x", session_token=cookie)
    return Question("x", visitor_cookie=cookie)


def somebody(reader_id: UUID | None = None) -> Person:
    return Person(reader_id, "r:x" if reader_id else "v:x", "", "", (), UNTIL)


def test_whoever_asked_longest_ago_is_forgotten_first() -> None:
    memory = Memory(most=3)
    for cookie in "abc":
        memory.keep(by(cookie), somebody())
    memory.get(by("a"))
    memory.keep(by("d"), somebody())
    assert [memory.get(by(cookie)) is not None for cookie in "abcd"] == [True, False, True, True]
    assert len(memory) == 3


def test_a_reader_is_forgotten_in_each_of_their_browsers_and_nobody_else_is() -> None:
    memory, rosa, karl = Memory(), uuid4(), uuid4()
    for cookie, reader_id in (("r-phone", rosa), ("r-desk", rosa), ("r-karl", karl)):
        memory.keep(by(cookie), somebody(reader_id))
    memory.keep(by("visitor"), somebody())
    memory.forget(rosa)
    cookies = ("r-phone", "r-desk", "r-karl", "visitor")
    assert [memory.get(by(cookie)) is not None for cookie in cookies] == [False, False, True, True]


def test_what_is_forgotten_for_want_of_room_leaves_nothing_behind() -> None:
    memory = Memory(most=1)
    for _ in range(100):
        memory.keep(by(f"r{uuid4().hex}"), somebody(uuid4()))
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
    memory.keep(by("a"), somebody())
    with memory.looking() as look:
        memory.forget_everybody()
        assert not look.may_keep(somebody())
    assert len(memory) == 0
    memory.forget_everybody()
    with memory.looking() as later:
        assert later.may_keep(somebody(uuid4()))


def test_a_session_that_is_nobodys_is_remembered_as_such_and_its_visitor_by_their_cookie() -> None:
    memory = Memory()
    both = Question("x", session_token="made-up", visitor_cookie="v")
    assert not memory.is_stranger(Question("x", session_token="made-up"))
    memory.keep(both, somebody())
    assert memory.get(both) is memory.get(Question("x", visitor_cookie="v")) is not None
    assert memory.is_stranger(Question("x", session_token="made-up"))
    memory.forget_everybody()
    assert not memory.is_stranger(Question("x", session_token="made-up"))


def test_made_up_sessions_and_cookies_push_nobody_else_out() -> None:
    memory, rosa = Memory(most=3), uuid4()
    for number in range(9):
        memory.keep(Question("x", session_token=f"made-up-{number}"), None)
        memory.keep(Question("x", "r-rosa", visitor_cookie=f"made-up-{number}"), somebody(rosa))
    assert len(memory) == 1
