"""The accounts every set of books begins with, and the ones the posting rules name.

The first migration writes `ACCOUNTS` into the table `account`; from then on the table is the chart.
"""

from typing import Final

BANK: Final = "1200"
STRIPE: Final = "1240"
IN_TRANSIT: Final = "1241"
UNALLOCATED: Final = "2130"
FEES_SUBSCRIPTIONS: Final = "7901"
FEES_GIFTS: Final = "7902"
FEES_OTHER: Final = "7906"

FEES: Final = frozenset({FEES_SUBSCRIPTIONS, FEES_GIFTS, FEES_OTHER})

ACCOUNTS: Final[tuple[tuple[str, str, str], ...]] = (
    ("1200", "Bank current account", "asset"),
    ("1210", "Bank appeal account", "asset"),
    ("1240", "Stripe balance (clearing)", "asset"),
    ("1241", "Stripe payouts in transit", "asset"),
    ("1250", "PayPal", "asset"),
    ("1260", "Cheques and cash to bank", "asset"),
    ("2110", "Deferred income: digital", "liability"),
    ("2111", "Deferred income: print", "liability"),
    ("2112", "Deferred income: gift and bulk", "liability"),
    ("2130", "Unallocated receipts", "liability"),
    ("2140", "Refunds due", "liability"),
    ("2200", "VAT on sales", "liability"),
    ("3000", "Share capital", "capital"),
    ("3010", "Share money awaiting allotment", "capital"),
    ("4000", "Digital subscriptions", "income"),
    ("4010", "Home delivery", "income"),
    ("4011", "Vouchers", "income"),
    ("4020", "Bulk and union subscriptions", "income"),
    ("4030", "Gift subscriptions", "income"),
    ("4100", "Advertising", "income"),
    ("4200", "Shop: books", "income"),
    ("4210", "Shop: merchandise", "income"),
    ("4220", "Shop: postage recharged", "income"),
    ("4900", "Fighting Fund", "income"),
    ("4910", "95th Anniversary Appeal", "income"),
    ("4920", "Other appeals", "income"),
    ("4930", "Legacies", "income"),
    ("4940", "Other gifts", "income"),
    ("7901", "Card fees: subscriptions", "expense"),
    ("7902", "Card fees: gifts", "expense"),
    ("7903", "Dispute fees", "expense"),
    ("7904", "Disputes and Direct Debit indemnities lost", "expense"),
    ("7905", "Exchange differences", "expense"),
    ("7906", "Card fees: other receipts", "expense"),
)
