"""What is true of readers, money and access, and the pages people see.

One thing is always true here: nothing in `billing` knows how Stripe is heard (`webhooks`), how
people are told (`emails`) or how the program is run (`service`).
"""
