"""How we hear Stripe: check, store, answer; later look again. An event is only ever a hint."""
