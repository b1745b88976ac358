"""What happens by itself or as a consequence: payments, invoices, subscriptions, Checkout."""
