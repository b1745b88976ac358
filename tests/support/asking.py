"""Ask the wall as a thread of a web process does when it remembers nobody."""

from datetime import datetime

from billing.access import basis
from billing.access.case import Answer, Case, Question
from billing.access.check import check
from billing.db import Database
from billing.driver import Connection
from billing.settings import Settings


def ask_the_wall(db: Database, settings: Settings, question: Question, *, now: datetime) -> Answer:
    """Answer one question by a connection of its own."""
    case = Case(settings, question, basis.load(db, settings, now=now), now)
    with Connection(db) as connection:
        return check(connection, case).answer
