"""Coupons and promotion codes.

Source: https://docs.stripe.com/api/coupons
"""

from typing import Final

from sandbox.engine import discounts
from sandbox.errors import invalid
from sandbox.kernel.calls import Call, Doc, World, operation
from sandbox.kernel.ids import token

_CODE: Final = "/v1/promotion_codes"
_HUNDRED: Final = 100
_WHOLE: Final = "duration duration_in_months id max_redemptions metadata name redeem_by"


@operation("POST", "/v1/coupons", f"{_WHOLE} amount_off currency percent_off")
def create_coupon(world: World, call: Call) -> Doc:
    """Create a coupon: an amount or a share off, once, for some months or for ever."""
    params = call.params
    if ("amount_off" in params) == ("percent_off" in params):
        raise invalid("You must pass either percent_off or amount_off.", param="percent_off")
    if "amount_off" in params:
        call.need("currency")
    if not 0 < params.get("percent_off", 1) <= _HUNDRED:
        raise invalid("percent_off must be between 0 and 100.", param="percent_off")
    duration = params.get("duration", "once")
    if (duration == "repeating") != ("duration_in_months" in params):
        message = "duration_in_months goes with a duration of `repeating`, and only with it."
        raise invalid(message, param="duration_in_months")
    given = call.picked(f"{_WHOLE} amount_off currency percent_off")
    if "id" in given and world.store.get(given["id"]):
        message = f"Coupon already exists: {given['id']}"
        raise invalid(message, param="id", code="resource_already_exists")
    fields = {"id": token(8), "duration": duration, "times_redeemed": 0, "valid": True}
    coupon = world.create("coupon", fields | given, event="coupon.created")
    if coupon["redeem_by"]:
        world.schedule(coupon["redeem_by"], "discount.due", coupon["id"])
    return coupon


@operation("DELETE", "/v1/coupons/{coupon}")
def delete_coupon(world: World, call: Call) -> Doc:
    """Delete a coupon: nobody can redeem it, who has redeemed it keeps the discount."""
    return world.delete(world.get("coupon", call.id), event="coupon.deleted")


@operation(
    "POST",
    _CODE,
    "active code customer expires_at max_redemptions metadata promotion",
)
def create_code(world: World, call: Call) -> Doc:
    """Create a code by which customers redeem a coupon; two active ones are never the same."""
    params = call.params
    ident = params["promotion"].get("coupon", "")
    world.get("coupon", ident, param="promotion[coupon]", status=400)
    code = params.get("code", token(8).upper())
    for other in world.store.find("promotion_code", {"active": True}):
        if other["code"].lower() == code.lower():
            message = "An active promotion code with this code already exists."
            raise invalid(message, param="code", code="resource_already_exists")
    limits = {"first_time_transaction": False, "minimum_amount": None}
    limits |= {"minimum_amount_currency": None}
    names = "active customer expires_at max_redemptions metadata promotion"
    fields = {"active": True, "times_redeemed": 0} | call.picked(names)
    fields |= {"code": code, "restrictions": limits}
    made = world.create("promotion_code", fields, event="promotion_code.created")
    if made["expires_at"]:
        world.schedule(made["expires_at"], "discount.due", made["id"])
    return made


@operation("POST", f"{_CODE}/{{promotion_code}}", "active metadata")
def update_code(world: World, call: Call) -> Doc:
    """Switch a code off and on; one that is used up stays off."""
    code = world.get("promotion_code", call.id)
    fields = call.picked("active metadata", code)
    changed = world.change(code, fields, event="promotion_code.updated")
    if changed["active"]:
        discounts.look(world, code["id"])
    return world.get("promotion_code", code["id"])
