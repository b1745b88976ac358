"""Coupons and promotion codes: who may redeem one, and what it takes off an invoice.

Source: https://docs.stripe.com/billing/subscriptions/coupons
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sandbox.engine.periods import after, share
from sandbox.errors import invalid
from sandbox.kernel.world import Doc, World, job


@dataclass(frozen=True, slots=True)
class Grant:
    """One coupon that may be redeemed, and the code that was typed for it, if any."""

    coupon: Doc
    code: Doc | None = None


def apply(
    world: World,
    given: Iterable[Mapping[str, str]],
    *,
    customer: str | None,
    currency: str,
) -> list[Grant]:
    """Return what the `discounts` param of a call grants.

    Raises:
        StripeError: a coupon or code that does not exist, is used up, or is not for this customer.

    Source: https://docs.stripe.com/api/promotion_codes
    """
    grants = []
    for n, each in enumerate(given):
        param, code = f"discounts[{n}]", None
        ident = each.get("coupon")
        if "promotion_code" in each:
            name = f"{param}[promotion_code]"
            code = world.get("promotion_code", each["promotion_code"], param=name, status=400)
            problem = "" if code["active"] else "it is inactive"
            if code["customer"] not in {None, customer}:
                problem = "it is for another customer"
            if problem:
                message = f"This promotion code cannot be redeemed because {problem}."
                raise invalid(message, param="discounts")
            ident = code["promotion"]["coupon"]
        coupon = world.get("coupon", str(ident), param=f"{param}[coupon]", status=400)
        if not coupon["valid"]:
            raise invalid(f"Coupon expired: {coupon['id']}", param=param, code="coupon_expired")
        if coupon["currency"] not in {None, currency}:
            raise invalid(f"This coupon is in {coupon['currency']}, not {currency}.", param=param)
        grants.append(Grant(coupon, code))
    return grants


def by_code(world: World, text: str, *, customer: str | None, currency: str) -> Grant:
    """Return what a code that somebody typed grants; upper and lower case are the same.

    Raises:
        StripeError: no such code is to be had.
    """
    for code in world.store.find("promotion_code", {"active": True}):
        if code["code"].lower() == text.strip().lower():
            given = [{"promotion_code": code["id"]}]
            return apply(world, given, customer=customer, currency=currency)[0]
    raise invalid("This code is invalid.", param="discounts", code="resource_missing")


def off(coupons: Iterable[Doc], amounts: list[int]) -> list[list[int]]:
    """Return what each coupon in turn takes off each amount; never more than is left of it.

    An amount off is spread in proportion, to the penny.

    Source: https://docs.stripe.com/billing/subscriptions/coupons#coupons-and-rounding
    """
    left, taken = [max(0, amount) for amount in amounts], []
    for coupon in coupons:
        if coupon["percent_off"] is not None:
            parts = [share(each, round(coupon["percent_off"] * 1000), 100_000) for each in left]
        else:
            parts, total, rest = [], sum(left), min(coupon["amount_off"], sum(left))
            for each in left:
                parts.append(share(rest, each, total) if total else 0)
                total, rest = total - each, rest - parts[-1]
        left = [each - part for each, part in zip(left, parts, strict=True)]
        taken.append(parts)
    return taken


def redeem(world: World, grants: Iterable[Grant], **on: str | None) -> list[str]:
    """Use up one redemption of each grant and return the discounts made, by id.

    `on` says what is discounted: customer, subscription, invoice, checkout_session.

    Source: https://docs.stripe.com/api/discounts/object
    """
    made = []
    for grant in grants:
        coupon = world.get("coupon", grant.coupon["id"])
        months = coupon["duration_in_months"]
        fields = {
            "source": {"type": "coupon", "coupon": coupon["id"]},
            "promotion_code": grant.code and grant.code["id"],
            "start": world.now,
            "end": after(world.now, "month", months) if months else None,
            **on,
        }
        event = "customer.discount.created" if on.get("customer") else ""
        made.append(world.create("discount", fields, event=event)["id"])
        world.store.set_setting(made[-1], coupon)  # a coupon may be deleted, and still count
        for used in filter(None, (coupon, grant.code)):
            world.change(used, {"times_redeemed": used["times_redeemed"] + 1})
            look(world, used["id"])
    return made


def running(world: World, idents: Iterable[str]) -> list[Doc]:
    """Return those discounts that have not ended."""
    found = [world.get("discount", ident) for ident in idents]
    return [each for each in found if (each["end"] or world.now + 1) > world.now]


def coupons(world: World, discounts: Iterable[Doc]) -> list[Doc]:
    """Return the coupon behind each discount, even one that was deleted meanwhile."""
    return [world.store.setting(each["id"], None) for each in discounts]


def left(world: World, idents: Iterable[str], bill: Doc) -> list[str]:
    """Return the discounts that still hold after an invoice: one for once is used up by it.

    Source: https://docs.stripe.com/api/coupons/object#coupon_object-duration
    """
    used = {off["discount"] for off in bill["total_discount_amounts"] if off["amount"]}
    found, held = [world.get("discount", ident) for ident in idents], []
    for discount in found:
        once = world.store.setting(discount["id"], {})["duration"] == "once"
        over = (discount["end"] or world.now + 1) <= world.now
        if over or (once and discount["id"] in used):
            ended = {"end": discount["end"] or world.now}
            world.change(discount, ended, event="customer.discount.deleted")
        else:
            held.append(discount["id"])
    return held


@job("discount.due")
def look(world: World, ident: str) -> None:
    """See whether a coupon or a code may still be redeemed.

    Source: https://docs.stripe.com/billing/subscriptions/coupons#redemptions
    """
    doc = world.store.get(ident)
    if doc is None or doc.get("deleted"):
        return
    coupon = doc["object"] == "coupon"
    ends = doc["redeem_by" if coupon else "expires_at"] or world.now + 1
    most = doc["max_redemptions"]
    spent = ends <= world.now or (most is not None and doc["times_redeemed"] >= most)
    if spent and coupon:
        world.change(doc, {"valid": False})
        for code in world.store.find("promotion_code", {"promotion.coupon": ident}):
            world.change(code, {"active": False}, event="promotion_code.updated")
    elif spent:
        world.change(doc, {"active": False}, event="promotion_code.updated")
