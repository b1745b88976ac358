"""What must be true of us, worked out from Stripe's side alone.

Written apart from the product on purpose: it reads the documents the local Stripe keeps, shares no
mapping with `billing`, and says in a few plain rules what a reader-revenue system owes to them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

Doc = dict[str, Any]

APP: Final = "morning-star"
HOUR: Final = 3600
DAY: Final = 24 * HOUR
LEEWAY: Final = 24 * HOUR  # the default of the settings: a renewal needs a moment to reach us
GRACE: Final = 14 * DAY  # likewise: time to put a failed renewal right
_GONE_BACK: Final = {"succeeded", "pending", "requires_action"}
_NEVER_MINE: Final = {"incomplete", "incomplete_expired"}


@dataclass(frozen=True)
class Stripe:
    """Everything Stripe has, by type."""

    of: Mapping[str, tuple[Doc, ...]] = field(default_factory=dict)

    @classmethod
    def reading(cls, docs: Iterable[Doc]) -> "Stripe":
        """Sort documents by their type; what was deleted is left out."""
        found: defaultdict[str, list[Doc]] = defaultdict(list)
        for doc in docs:
            if not doc.get("deleted"):
                found[doc["object"]].append(doc)
        return cls({kind: tuple(docs) for kind, docs in found.items()})

    def __getitem__(self, kind: str) -> tuple[Doc, ...]:
        return self.of.get(kind, ())

    def subscriptions(self) -> list[Doc]:
        """Return the subscriptions that were bought from us."""
        return [doc for doc in self["subscription"] if doc["metadata"].get("app") == APP]

    def invoices_of(self, subscription: str) -> list[Doc]:
        """Return a subscription's invoices, oldest first."""
        return [doc for doc in self["invoice"] if _subscription_of(doc) == subscription]

    def invoice_of(self, intent: str) -> Doc | None:
        """Return the invoice a payment is for, if it is for one."""
        links = (
            doc for doc in self["invoice_payment"] if doc["payment"].get("payment_intent") == intent
        )
        for link in links:
            return next(doc for doc in self["invoice"] if doc["id"] == link["invoice"])
        return None

    def is_ours(self, intent: Doc) -> bool:
        """Whether a payment is for something of ours."""
        invoice = self.invoice_of(intent["id"])
        if invoice is not None and _subscription_of(invoice):
            return (invoice["parent"]["subscription_details"]["metadata"] or {}).get("app") == APP
        return intent["metadata"].get("app") == APP and "fund" in intent["metadata"]


def _subscription_of(invoice: Doc) -> str:
    parent = invoice.get("parent") or {}
    return (parent.get("subscription_details") or {}).get("subscription") or ""


# ------------------------------------------------------------------------------------ the rules


def statuses(stripe: Stripe) -> dict[str, str]:
    """Return the status of every subscription of ours."""
    return {doc["id"]: doc["status"] for doc in stripe.subscriptions()}


def ends(stripe: Stripe) -> dict[str, datetime | None]:
    """Return when each subscription that goes on will end, whichever way Stripe writes it."""
    found = {}
    for doc in stripe.subscriptions():
        if doc["status"] not in {"canceled", "incomplete_expired"}:
            end = doc["cancel_at"] or (_period_end(doc) if doc["cancel_at_period_end"] else None)
            found[doc["id"]] = None if end is None else datetime.fromtimestamp(end, UTC)
    return found


def prices(stripe: Stripe) -> dict[str, tuple[str, int, str]]:
    """Return what each subscription that goes on is at: the price, what it costs, and how often."""
    found = {}
    for doc in stripe.subscriptions():
        if doc["status"] not in {"canceled", "incomplete_expired"}:
            (item,) = doc["items"]["data"]
            price = item["price"]
            cost = price["unit_amount"] * item["quantity"]
            found[doc["id"]] = (price["id"], cost, price["recurring"]["interval"])
    return found


def paid_from(stripe: Stripe) -> dict[str, tuple[str, str]]:
    """Return what each subscription that goes on is paid from: its last digits, and its mandate."""
    methods = {doc["id"]: doc for doc in stripe["payment_method"]}
    mandates = {doc["payment_method"]: doc["status"] for doc in stripe["mandate"]}
    found = {}
    for doc in stripe.subscriptions():
        method = methods.get(doc["default_payment_method"])
        if method and doc["status"] not in {"canceled", "incomplete_expired"}:
            digits = method[method["type"]]["last4"]
            found[doc["id"]] = (digits, mandates.get(method["id"], ""))
    return found


def reads_until(stripe: Stripe, subscription: Doc) -> int:
    """Return the first second at which a subscription no longer lets its reader in, by policy."""
    status, end = subscription["status"], subscription["ended_at"]
    scheduled = subscription["cancel_at"] or (
        _period_end(subscription) if subscription["cancel_at_period_end"] else None
    )
    if status in _NEVER_MINE:
        return 0
    if status == "canceled":
        return end or 0
    if status in {"active", "trialing"}:
        until = _runs_until(stripe, subscription)
    elif status in {"past_due", "unpaid"}:
        until = _bears_until(stripe, subscription)
    else:
        return 0
    return min(until, scheduled) if scheduled else until


def _runs_until(stripe: Stripe, subscription: Doc) -> int:
    """Return until when one that goes on lets in: its period, and a moment for the renewal.

    While Stripe asks for no money, only what is paid counts, or what a bank still works on, and
    there is no renewal to wait for.
    """
    if subscription["pause_collection"] is None:
        return _period_end(subscription) + LEEWAY
    return max(_pays_until(stripe, subscription), _at_bank_until(stripe, subscription))


def _at_bank_until(stripe: Stripe, subscription: Doc) -> int:
    """Return the end of the last unpaid period that a bank works on; 0 where none does."""
    until = 0
    for period in reversed(_asked_for(stripe, subscription)):
        if period.status == "paid":
            break
        if _is_at_a_bank(stripe, period.invoice):
            until = max(until, period.ends)
    return until


def _is_at_a_bank(stripe: Stripe, invoice: str) -> bool:
    tried = {
        link["payment"].get("payment_intent")
        for link in stripe["invoice_payment"]
        if link["invoice"] == invoice
    }
    waits = {doc["id"] for doc in stripe["invoice"] if doc["status"] == "open"}
    working = {doc["id"] for doc in stripe["payment_intent"] if doc["status"] == "processing"}
    return invoice in waits and bool(tried & working)


def _pays_until(stripe: Stripe, subscription: Doc) -> int:
    """Return where what is paid ends.

    That is the end of the period if it is paid; else of the last that was, or where the first
    began that was not, whichever is later: a change may begin a period before one is over.
    """
    asked = _asked_for(stripe, subscription)
    if asked and asked[-1].status == "paid":
        return _period_end(subscription)
    until, since_paid = 0, [_period_start(subscription)]
    for period in asked:
        if period.status == "paid":
            until = period.ends if period.worth > 0 else 0
            since_paid = [_period_start(subscription)]
        else:
            since_paid.append(period.begins)
    return max(until, min(since_paid))


def _bears_until(stripe: Stripe, subscription: Doc) -> int:
    """Return until when one that owes something lets in.

    That is the end of its period if that is paid, and only a change is owed; else the grace, from
    where the first period began since the last that was paid, and never before the end of that.
    What was made void, is a draft, or was given up while collection was paused is not owed: then it
    begins where what is paid ends. Who has never paid has none; a trial is a payment only where all
    began with it. While a bank works on what is overdue, whoever has paid before reads on.
    """
    asked = _asked_for(stripe, subscription)
    if asked and asked[-1].status == "paid":
        return _period_end(subscription)
    until, since_paid, ever_paid = _pays_until(stripe, subscription), list[int](), False
    for number, period in enumerate(asked):
        if period.status == "paid" and (period.worth > 0 or number == 0):
            since_paid, ever_paid = [], True
        elif period.status in {"open", "uncollectible"} and not period.unasked:
            since_paid.append(period.begins)
    bears = max(min(since_paid, default=0), until) + GRACE if ever_paid else until
    at_bank = _at_bank_until(stripe, subscription) if asked and until > asked[0].begins else 0
    return max(bears, at_bank)


class Asked(NamedTuple):
    """A period that an invoice asks for, and how that stands."""

    begins: int
    ends: int
    worth: int
    status: str
    invoice: str
    unasked: bool


def _asked_for(stripe: Stripe, subscription: Doc) -> list[Asked]:
    """Return the periods that were asked for, oldest first."""
    periods: dict[str, tuple[int, int, int]] = {}
    for line in stripe["line_item"]:
        item = line["parent"]["subscription_item_details"]
        if item and not item["proration"]:
            period = line["period"]
            periods[line["invoice"]] = period["start"], period["end"], line["amount"]
    every = stripe.invoices_of(subscription["id"])
    return [
        Asked(*periods[doc["id"]], doc["status"], doc["id"], _unasked(doc))
        for doc in every
        if doc["id"] in periods
    ]


def _unasked(invoice: Doc) -> bool:
    """Whether it was given up because collection was paused when it was made."""
    given_up = (invoice.get("status_details") or {}).get("uncollectible") or {}
    return given_up.get("reason") == "subscription_paused"


def _period_end(subscription: Doc) -> int:
    return max(int(item["current_period_end"]) for item in subscription["items"]["data"])


def _period_start(subscription: Doc) -> int:
    return min(int(item["current_period_start"]) for item in subscription["items"]["data"])


def may_read(stripe: Stripe, now: int) -> dict[str, bool]:
    """Return, for each reader named on a subscription of ours, whether they may read now."""
    found: defaultdict[str, bool] = defaultdict(bool)
    for doc in stripe.subscriptions():
        found[doc["metadata"]["reader"]] |= now < reads_until(stripe, doc)
    return dict(found)


@dataclass(frozen=True)
class Paid:
    """How one payment stands."""

    status: str
    amount: int
    given_back: int


def payments(stripe: Stripe) -> dict[str, Paid]:
    """Return every payment of ours, with what was given back of it."""
    given_back: Counter[str] = Counter()
    for refund in stripe["refund"]:
        if refund["status"] in _GONE_BACK:
            given_back[refund["payment_intent"]] += refund["amount"]
    return {
        doc["id"]: Paid(_standing(doc), doc["amount"], given_back[doc["id"]])
        for doc in stripe["payment_intent"]
        if stripe.is_ours(doc) and doc["latest_charge"]
    }


def _standing(intent: Doc) -> str:
    if intent["status"] in {"succeeded", "canceled"}:
        return str(intent["status"])
    refused = intent["status"] == "requires_payment_method" and intent["last_payment_error"]
    return "failed" if refused else "pending"


def movements(stripe: Stripe) -> dict[str, int]:
    """Return the net of every movement of the balance, by id: each must be booked, once."""
    return {doc["id"]: doc["net"] for doc in stripe["balance_transaction"]}


def gifts(stripe: Stripe) -> Counter[tuple[str, int]]:
    """Return the gifts that arrived, by fund and amount."""
    return Counter(
        (doc["metadata"]["fund"], doc["amount"])
        for doc in stripe["payment_intent"]
        if doc["metadata"].get("app") == APP
        and "fund" in doc["metadata"]
        and doc["status"] == "succeeded"
    )


def receipts(stripe: Stripe) -> int:
    """Return how many payments succeeded for something we sell: each has one receipt and its mail.

    What staff put on a bill by hand, and is invoiced alone, is theirs to receipt.
    """
    paid = (intent for intent, paid in payments(stripe).items() if paid.status == "succeeded")
    return sum(_is_for_sale(stripe, stripe.invoice_of(intent)) for intent in paid)


def _is_for_sale(stripe: Stripe, invoice: Doc | None) -> bool:
    if invoice is None:
        return True
    lines = (line for line in stripe["line_item"] if line["invoice"] == invoice["id"])
    prices = {((line["pricing"] or {}).get("price_details") or {}).get("price") for line in lines}
    return any(doc["id"] in prices for doc in stripe["price"] if doc["recurring"])


def refunds_to_tell(stripe: Stripe) -> tuple[set[str], set[str]]:
    """Return the refunds of ours that must be told by now, and those that may have been.

    One that is certain is told once. A bank may send it back afterwards, and what was said then
    stays said; so what Stripe has ever called certain may have been told.
    """
    ours = payments(stripe)
    mine = {doc["id"]: doc for doc in stripe["refund"] if doc["payment_intent"] in ours}
    said = (doc["data"]["object"] for doc in stripe["event"])
    certain = {doc["id"] for doc in said if _is_certain(doc)}
    must = {refund for refund, doc in mine.items() if _is_certain(doc)}
    return must, must | (certain & mine.keys())


def _is_certain(doc: Doc) -> bool:
    return bool(doc["object"] == "refund" and doc["status"] == "succeeded")


def disputes(stripe: Stripe) -> dict[str, str]:
    """Return how every dispute stands."""
    return {doc["id"]: doc["status"] for doc in stripe["dispute"]}


def disputes_for_staff(stripe: Stripe, now: int) -> dict[str, str]:
    """Return the disputes of which staff must know: to answer while they can, or that are lost."""
    found = {}
    for doc in stripe["dispute"]:
        due = doc["evidence_details"]["due_by"]
        if doc["status"] == "lost":
            found[doc["id"]] = "lost"
        elif doc["status"].endswith("needs_response") and (due is None or now < due):
            found[doc["id"]] = "to answer"
    return found


def payouts(stripe: Stripe) -> dict[str, tuple[str, int]]:
    """Return how every payout stands, and what it carries."""
    return {doc["id"]: (doc["status"], doc["amount"]) for doc in stripe["payout"]}


def residuals(stripe: Stripe) -> dict[str, int]:
    """Return what each payout that Stripe can list carries beyond the sum of its movements.

    It is nought for all that tie. A payout is a movement itself, and no part of what it is made of.
    """
    carried = {
        doc["id"]: doc["amount"]
        for doc in stripe["payout"]
        if doc["reconciliation_status"] == "completed"
    }
    for doc in stripe["balance_transaction"]:
        if doc.get("within") in carried and doc["source"] != doc["within"]:
            carried[doc["within"]] -= doc["net"]
    return carried


def sessions(stripe: Stripe) -> dict[str, str]:
    """Return what became of every Checkout session of ours."""
    return {
        doc["id"]: _outcome(stripe, doc)
        for doc in stripe["checkout.session"]
        if (doc["metadata"] or {}).get("app") == APP
    }


def _outcome(stripe: Stripe, session: Doc) -> str:
    if session["status"] != "complete":
        return str(session["status"])
    if session["payment_status"] != "unpaid":
        return "settled"
    links = [doc for doc in stripe["invoice_payment"] if doc["invoice"] == session["invoice"]]
    paying = {session["payment_intent"], *(doc["payment"]["payment_intent"] for doc in links)}
    intents = [doc for doc in stripe["payment_intent"] if doc["id"] in paying]
    begun = [doc for doc in stripe["subscription"] if doc["id"] == session["subscription"]]
    if any(doc["status"] == "succeeded" for doc in intents):
        return "settled"
    if any(_standing(doc) in {"failed", "canceled"} for doc in intents):
        return "failed"
    if any(doc["status"] not in {"active", "trialing", "paused"} for doc in begun):
        return "failed"  # paused, the debit that was agreed is taken all the same
    return "awaiting_bank"
