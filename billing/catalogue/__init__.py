"""Plans, prices and appeals: what is on sale, what Stripe knows of it, and how the two agree."""
