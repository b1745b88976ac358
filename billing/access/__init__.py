"""May this person read this article, and why: rights, the meter, and the decision.

The decision is a pure function of facts; Stripe is never asked while a reader waits.
"""

from billing.access.case import Answer, Question
from billing.access.decide import Decision, Facts, Flag, Policy, Right, decide
from billing.access.entitlements import Term, follow_subscription, grant, revoke, rights_of
from billing.access.explain import Explanation, explain
from billing.access.meter import carry_over, forget_past_windows, read_cookie, window_of
from billing.access.reasons import Reason
from billing.access.wall import Wall

__all__ = [
    "Answer",
    "Decision",
    "Explanation",
    "Facts",
    "Flag",
    "Policy",
    "Question",
    "Reason",
    "Right",
    "Term",
    "Wall",
    "carry_over",
    "decide",
    "explain",
    "follow_subscription",
    "forget_past_windows",
    "grant",
    "read_cookie",
    "revoke",
    "rights_of",
    "window_of",
]
