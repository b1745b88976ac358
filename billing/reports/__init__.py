"""Finance's questions: each is one function on one unchanging snapshot, and each file has its own.

Every answer is for one month of London days, and carries totals that are checked against the
ledger. Nothing here writes anything but the files.
"""

from billing.reports.exports import EXPORTS, export, file_name
from billing.reports.month import Month, MonthError, month_at, months_so_far, read_month
from billing.reports.payments import payments
from billing.reports.payouts import Standing, payouts
from billing.reports.receipts import receipts_by_fund
from billing.reports.stamp import Stamp
from billing.reports.trial_balance import trial_balance
from billing.reports.waiting import Waiting, waiting

__all__ = [
    "EXPORTS",
    "Month",
    "MonthError",
    "Stamp",
    "Standing",
    "Waiting",
    "export",
    "file_name",
    "month_at",
    "months_so_far",
    "payments",
    "payouts",
    "read_month",
    "receipts_by_fund",
    "trial_balance",
    "waiting",
]
