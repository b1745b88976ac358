"""Disputes, as the API answers them; a bank opens and decides them (levers of the sandbox).

Source: https://docs.stripe.com/disputes/api
"""

from sandbox.engine.dispute import become, submit
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World


@operation("POST", "/v1/disputes/{dispute}", "evidence metadata submit")
def update_dispute(world: World, call: Call) -> Doc:
    """Keep evidence and, unless told otherwise, submit it."""
    dispute = world.get("dispute", call.id)
    if "metadata" in call.params:
        fields = call.picked("metadata", dispute)
        dispute = world.change(dispute, fields, event="charge.dispute.updated")
    if "evidence" not in call.params:
        return dispute
    return submit(world, dispute, call.params["evidence"], now=call.params.get("submit", True))


@operation("POST", "/v1/disputes/{dispute}/close")
def close_dispute(world: World, call: Call) -> Doc:
    """Give in: the dispute is lost.

    Source: https://docs.stripe.com/api/disputes/close
    """
    return become(world, world.get("dispute", call.id), "lost")
