"""The only place that calls Stripe. Its answers leave as our own small frozen types."""
