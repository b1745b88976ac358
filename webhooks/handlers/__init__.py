"""From an event to the object it is about; nothing here reads Stripe or the database."""
