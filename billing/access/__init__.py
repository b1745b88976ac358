"""May this person read this article, and why: rights, the meter, and the decision.

The decision is a pure function of facts; Stripe is never asked while a reader waits.
"""
