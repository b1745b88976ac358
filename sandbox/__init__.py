"""A local Stripe: for people without an account, and for the tests. It imports nothing of ours."""
