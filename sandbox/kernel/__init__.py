"""What every operation of Stripe has in common: store, clock, events, replies, faults."""
