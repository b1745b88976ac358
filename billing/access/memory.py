"""What one web process remembers of who asks: bounded, and forgotten at each change.

It belongs to the event loop: nothing else touches it. A look that begins before a change was
heard of and ends after it is not kept, since nobody can tell what it saw.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from billing.access.case import Person, Question

MOST: Final = 50_000  # people; the one who asked longest ago is forgotten first
_UNKNOWN: Final = 4_096  # sessions that are nobody's: made up, or ended long ago


@dataclass(slots=True)
class Look:
    """One look into the database, and who has changed since it began.

    Attributes:
        everybody: whether everything has.
    """

    changed: set[UUID] = field(default_factory=set)
    everybody: bool = False

    def may_keep(self, person: Person | None) -> bool:
        """Tell whether what it found of somebody still holds, as far as we have heard."""
        return not self.everybody and (person is None or person.reader_id not in self.changed)


class Memory:
    """People by what they bring: readers by their session, visitors by their cookie."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._unknown: OrderedDict[str, None] = OrderedDict()  # sessions that are nobody's
        self._people: OrderedDict[str, Person] = OrderedDict()
        self._cookies: dict[UUID, set[str]] = {}  # of each reader: one may use several browsers
        self._under_way: dict[int, Look] = {}

    def __len__(self) -> int:
        return len(self._people)

    def get(self, question: Question) -> Person | None:
        """Return who asks; None where nobody remembers, or they are a visitor without a cookie."""
        token = question.session_token
        if token and token not in self._unknown:
            return self._find(f"r{token}")
        return self._find(f"v{question.visitor_cookie}")

    def is_stranger(self, question: Question) -> bool:
        """Tell whether somebody brings nothing that anybody could know them by."""
        token = question.session_token
        return not question.visitor_cookie and (not token or token in self._unknown)

    def keep(self, question: Question, person: Person | None) -> None:
        """Remember who asked, and that a session is nobody's."""
        token = question.session_token
        if person is not None and person.reader_id is not None:
            self._keep(f"r{token}", person)
            return
        if token:
            self._unknown[token] = None
            while len(self._unknown) > _UNKNOWN:
                self._unknown.popitem(last=False)
        if person is not None:
            self._keep(f"v{question.visitor_cookie}", person)

    def _find(self, cookie: str) -> Person | None:
        person = self._people.get(cookie)
        if person is not None:
            self._people.move_to_end(cookie)
        return person

    def _keep(self, cookie: str, person: Person) -> None:
        self._drop(cookie)
        self._people[cookie] = person
        if person.reader_id is not None:
            self._cookies.setdefault(person.reader_id, set()).add(cookie)
        while len(self._people) > self._most:
            self._drop(next(iter(self._people)))

    def forget(self, reader_id: UUID) -> None:
        """Forget a reader, and what a look under way may have seen of them."""
        for cookie in list(self._cookies.get(reader_id, ())):
            self._drop(cookie)
        for look in self._under_way.values():
            look.changed.add(reader_id)

    def forget_everybody(self) -> None:
        """Forget all there is, and what any look under way may have seen."""
        self._people.clear()
        self._cookies.clear()
        self._unknown.clear()
        for look in self._under_way.values():
            look.everybody = True

    @contextmanager
    def looking(self) -> Iterator[Look]:
        """Note for as long as a look takes what changes meanwhile."""
        look = Look()
        self._under_way[id(look)] = look
        try:
            yield look
        finally:
            del self._under_way[id(look)]

    def _drop(self, cookie: str) -> None:
        person = self._people.pop(cookie, None)
        if person is None or person.reader_id is None:
            return
        cookies = self._cookies[person.reader_id]
        cookies.discard(cookie)
        if not cookies:
            del self._cookies[person.reader_id]
