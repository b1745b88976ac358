"""`billing refund`: give money back, once, and write down who decided it and why."""

from typing import Annotated

import typer


def refund(
    payment: Annotated[str, typer.Argument(help="Stripe's id of the payment, pi_….")],
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")],
    amount: Annotated[
        str, typer.Option(help="In pounds, such as 12.50; all that is left without it.")
    ] = "",
) -> None:
    """Give back a payment, or a part of it. Access is not ended by it."""
    from billing import payments, reconciliation  # noqa: PLC0415
    from billing.models import Feed  # noqa: PLC0415
    from billing.money import parse_pounds  # noqa: PLC0415
    from service.cli.opening import ACTOR, open_everything  # noqa: PLC0415

    context = open_everything()
    wanted = parse_pounds(amount) if amount else None
    given = payments.refund(context, payment, amount=wanted, actor=ACTOR, reason=reason)
    subject = reconciliation.Subject(reconciliation.SubjectKind.PAYMENT, payment)
    reconciliation.refresh(context, subject, feed=Feed.RETURN)
    typer.echo(f"{given} of {payment} goes back to the payer")
