"""What Stripe asks staff to look at, and moves no money by: reviews, and credit notes.

The account is somebody's who opens and closes them in the dashboard: here they are levers.
"""

from sandbox.contract.resources import skeleton
from sandbox.errors import invalid
from sandbox.kernel.ids import new_id
from sandbox.kernel.paging import as_list
from sandbox.kernel.world import Doc, World


def review(world: World, charge: Doc) -> Doc:
    """Set a payment aside for somebody to review.

    Source: https://docs.stripe.com/radar/reviews
    """
    fields = {
        "charge": charge["id"],
        "open": True,
        "opened_reason": "manual",
        "payment_intent": charge["payment_intent"],
        "reason": "manual",
    }
    return world.create("review", fields, event="review.opened")


def close(world: World, doc: Doc, reason: str = "approved") -> Doc:
    """Close a review: approved, refunded, refunded_as_fraud or disputed.

    Raises:
        StripeError: it is closed.

    Source: https://docs.stripe.com/api/radar/reviews/object#review_object-closed_reason
    """
    if not doc["open"]:
        raise invalid("Review is already closed.")
    closed = {"open": False, "closed_reason": reason, "reason": reason}
    return world.change(doc, closed, event="review.closed")


def credit(world: World, invoice: Doc, amount: int | None = None) -> Doc:
    """Write a credit note for a paid invoice whose money was given back outside Stripe.

    Raises:
        StripeError: the invoice is not paid, or less of it is left.

    Source: https://docs.stripe.com/invoicing/dashboard/credit-notes
    """
    earlier = world.store.find("credit_note", {"invoice": invoice["id"], "status": "issued"})
    left = invoice["amount_paid"] - sum(each["amount"] for each in earlier)
    if invoice["status"] != "paid" or not 0 < (amount or left) <= left:
        raise invalid("The sum of credits may not be more than what was paid.", param="amount")
    total = amount or left
    line = skeleton("credit_note_line_item") | {
        "id": new_id("credit_note_line_item"),
        "amount": total,
        "description": "Given back",
        "discount_amount": 0,
        "tax_rates": [],
        "type": "custom_line_item",
    }
    fields = {
        **dict.fromkeys(
            ("amount", "out_of_band_amount", "post_payment_amount", "subtotal", "total"), total
        ),
        **dict.fromkeys(("amount_shipping", "discount_amount", "pre_payment_amount"), 0),
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "invoice": invoice["id"],
        "lines": as_list([line], url="/v1/credit_notes"),
        "number": f"{invoice['number']}-CN-{len(earlier) + 1:02}",
        "pdf": "",
        "status": "issued",
        "type": "post_payment",
    }
    return world.create("credit_note", fields, event="credit_note.created")


def take_back(world: World, doc: Doc) -> Doc:
    """Void a credit note.

    Raises:
        StripeError: it is void.

    Source: https://docs.stripe.com/api/credit_notes/void
    """
    if doc["status"] != "issued":
        raise invalid("Credit note is already void.")
    void = {"status": "void", "voided_at": world.now}
    return world.change(doc, void, event="credit_note.voided")
