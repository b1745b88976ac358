"""The books: the chart of accounts, the ledger, the posting rules, and totals read from them."""
