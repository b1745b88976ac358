"""The accounts the posting rules name; the whole chart is the table `account`.

The first migration fills that table. Income accounts are named by `catalogue.toml`, not here.
"""

from typing import Final

STRIPE: Final = "1240"
IN_TRANSIT: Final = "1241"
UNALLOCATED: Final = "2130"
OPENING: Final = "3900"
FEES_SUBSCRIPTIONS: Final = "7901"
FEES_GIFTS: Final = "7902"
DISPUTE_FEES: Final = "7903"
DISPUTES_LOST: Final = "7904"
FEES_OTHER: Final = "7906"

FEES: Final = frozenset({FEES_SUBSCRIPTIONS, FEES_GIFTS, DISPUTE_FEES, FEES_OTHER})
