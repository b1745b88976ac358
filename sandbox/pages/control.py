"""The control API, `/_sandbox/…`: what no real Stripe has. Loopback only, so it asks for no key.

Every call answers with the state afterwards, as JSON, and with what only it can tell; a form is
sent back to the console.
"""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.api.events import roll_secret
from sandbox.engine import balance, dispute, mandate, method, paperwork, payout, refund
from sandbox.errors import StripeError
from sandbox.kernel.deliveries import MODES
from sandbox.kernel.faults import FAULTS, Fault
from sandbox.kernel.versions import OLDER
from sandbox.kernel.world import Doc, World
from sandbox.pages.render import Given, given

_DAY = 24 * 3600
Lever = Callable[[World, Given], Given | None]
_YES = {True, "true", "1", "on", "yes"}


def routes(world: World) -> list[Route]:
    """Return the addresses of the control API."""
    show = Route("/_sandbox/state", lambda _: JSONResponse(state(world)))
    return [show] + [
        Route(f"/_sandbox/{path}", _door(world, lever), methods=["POST"])
        for path, lever in LEVERS.items()
    ]


def state(world: World) -> Given:
    """Tell the time, what is being delivered and how many objects there are."""
    with world.lock:
        return {
            "now": world.now,
            "offset": world.clock.offset,
            "deliveries": world.deliveries.summary(),
            "counts": world.store.counts(),
            "settings": {
                name: world.store.setting(name, default) for name, (default, _) in SETTINGS.items()
            },
        }


def advance(world: World, given: Given) -> None:
    """Move time forward: by `seconds` or `days`, or `to` a moment."""
    seconds = int(given.get("seconds", 0)) + int(given.get("days", 0)) * _DAY
    if "to" in given:
        with world.lock:
            seconds += int(given["to"]) - world.now
    if seconds < 0:
        raise ValueError("The clock moves only forward.")
    world.advance(seconds)


def set_mode(world: World, given: Given) -> None:
    """Choose how events are delivered from now on: `mode`, `delay` in seconds, API `version`."""
    mode, version = given.get("mode", "normal"), given.get("version", "")
    if mode not in MODES:
        raise ValueError(f"mode is one of {', '.join(MODES)}")
    if version not in {"", *OLDER}:
        raise ValueError(f"version is one of {', '.join(OLDER)}")
    world.deliveries.set_mode(mode, delay=float(given.get("delay") or 0), version=version)


def roll(world: World, given: Given) -> Given:
    """Give an endpoint a new secret, told here; the old one goes on for `hours`, 24 unless told."""
    with world.changing():
        endpoint = world.get("webhook_endpoint", given["id"])
        secret = roll_secret(world, endpoint, hours=float(given.get("hours", 24)))
    return {"secret": secret}


def fail_next(world: World, given: Given) -> None:
    """Let the next fitting API calls fail, as `kind` says; status 0 is the older word for slow."""
    status = int(given.get("status", 500))
    kind = given.get("kind") or ("error" if status else "slow")
    if kind not in FAULTS:
        raise ValueError(f"kind is one of {', '.join(FAULTS)}")
    fault = Fault(
        kind=kind,
        method=str(given.get("method", "")).upper(),
        path_prefix=str(given.get("path_prefix", "/v1/")),
        status=status,
        after_effect=given.get("after_effect") in _YES,
        times=int(given.get("times", 1)),
        delay=float(given.get("delay", 0)),
    )
    with world.lock:
        world.faults.append(fault)


def set_settings(world: World, given: Given) -> None:
    """Change how the account behaves: any of `SETTINGS`, a number each."""
    if unknown := given.keys() - SETTINGS.keys():
        raise ValueError(f"no setting is called {', '.join(unknown)}")
    with world.changing():
        for name, value in given.items():
            _ACTS.get(name, _keep)(world, name, int(value))


def _keep(world: World, name: str, value: int) -> None:
    world.store.set_setting(name, value)


def _money(act: Callable[..., Doc], name: str, *more: str) -> Lever:
    """Return the lever that acts on the `name` that is given, by those of `more` that are.

    It tells the `id` of what it made or changed.
    """

    def lever(world: World, given: Given) -> Given:
        with world.changing():
            options = {key: given[key] for key in more if given.get(key)}
            if "amount" in options:
                options["amount"] = int(options["amount"])
            found = world.get(name, given.get("id") or given[name])
            return {"id": act(world, found, **options)["id"]}

    return lever


def adjust(world: World, given: Given) -> None:
    """Book `amount` (negative for money out) as an `adjustment`, or a fee as a `stripe_fee`."""
    kind = given.get("kind", "adjustment")
    if kind not in {"adjustment", "stripe_fee"}:
        raise ValueError("kind is adjustment or stripe_fee")
    with world.changing():
        balance.adjust(world, kind, int(given["amount"]), str(given.get("description", kind)))


def pay_out(world: World, _: Given) -> None:
    """Pay out what is available without waiting for the day."""
    with world.changing():
        payout.pay_out(world)


# What `settings` sets: what each is until then, and what it means.
SETTINGS: Final[dict[str, tuple[int, str]]] = {
    "after_retries": (0, "0: a subscription ends after its last retry; 1: unpaid; 2: past due"),
    "bacs_debit": (0, "1: the account takes Bacs Direct Debit"),
    "payouts": (0, "1: a payout each business day; 0: none"),
    "payouts_enabled": (1, "0: Stripe pays nothing out"),
    "settle_seconds": (0, "seconds until a charge has its fee"),
    "slow_refunds": (0, "1: refunds to cards take days too"),
    "upcoming_days": (7, "days before a renewal at which it is announced"),
}
_ACTS: Final[dict[str, Callable[[World, str, int], None]]] = {
    "payouts": lambda world, _, on: payout.schedule(world, on),
    "payouts_enabled": lambda world, _, on: balance.set_payouts_enabled(world, on),
}
LEVERS: Final[dict[str, Lever]] = {
    "advance": advance,
    "balance/adjust": adjust,
    "charges/{id}/review": _money(paperwork.review, "charge"),
    "charges/{id}/warn": _money(dispute.warn, "charge", "fraud_type"),
    "credit_notes/{id}/void": _money(paperwork.take_back, "credit_note"),
    "deliveries": set_mode,
    "deliveries/release": lambda world, _: world.deliveries.release(),
    "deliveries/wait": lambda world, given: world.deliveries.wait(float(given.get("timeout", 10))),
    "disputes/open": _money(dispute.open_dispute, "charge", "reason", "status", "amount"),
    "disputes/{id}/become": _money(dispute.become, "dispute", "status"),
    "events/{id}/resend": lambda world, given: world.deliveries.resend(given["id"]),
    "fail_next": fail_next,
    "fail_next/clear": lambda world, _: world.faults.clear(),
    "invoices/{id}/credit": _money(paperwork.credit, "invoice", "amount"),
    "mandates/{id}/cancel": _money(mandate.cancel, "mandate", "reason"),
    "payment_methods/{id}/reissue": _money(method.reissue, "payment_method"),
    "payouts/run": pay_out,
    "payouts/{id}/fail": _money(payout.fail, "payout", "code"),
    "refunds/{id}/cancel": _money(refund.cancel, "refund"),
    "refunds/{id}/fail": _money(refund.fail, "refund", "reason"),
    "reset": lambda world, given: world.reset(keep_endpoints=given.get("keep_endpoints") in _YES),
    "reviews/{id}/close": _money(paperwork.close, "review", "reason"),
    "settings": set_settings,
    "webhook_endpoints/{id}/roll": roll,
}


def _door(world: World, lever: Lever) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            told = await run_in_threadpool(lever, world, await given(request))
        except StripeError as problem:
            return JSONResponse({"error": str(problem)}, 400)
        except (KeyError, TypeError, ValueError) as problem:
            return JSONResponse({"error": f"{type(problem).__name__}: {problem}"}, 400)
        if "form" in request.headers.get("content-type", ""):
            return RedirectResponse(f"/?{urlencode(told or {})}", 303)
        return JSONResponse(await run_in_threadpool(state, world) | (told or {}))

    return endpoint
