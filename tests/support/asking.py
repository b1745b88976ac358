"""Ask the wall as a thread of a web process does when it remembers nobody."""

from datetime import datetime

from billing.access.check import Answer, Case, Question, check, openings_at
from billing.access.meter import Hashes, window_of
from billing.db import Database
from billing.driver import Connection
from billing.settings import Settings


def ask_the_wall(db: Database, settings: Settings, question: Question, *, now: datetime) -> Answer:
    """Answer one question by a connection of its own."""
    window = window_of(now)
    with Connection(db) as connection:
        openings = openings_at(connection, now)
        case = Case(settings, question, window, Hashes(settings, window), openings, now)
        return check(connection, case).answer
