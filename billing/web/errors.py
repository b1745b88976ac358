"""What a person sees when something cannot be done: what happened, and what to do now.

Each refusal has its status and its page; the words are in `templates/errors`. Machines that ask
(the check, Stripe) get plain JSON instead.
"""

from typing import Final
from urllib.parse import urlencode

import structlog
from fastapi import FastAPI
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from billing import errors
from billing.web import security
from billing.web.dependencies import SignInNeededError
from billing.web.render import render

_log = structlog.get_logger()

_MACHINES: Final = ("/webhooks/", "/paywall/", "/healthz", "/readyz")
_MISSING: Final = 404
_FAILED: Final = 500

# Which page answers which error, and with what status.
_REFUSALS: Final[dict[type[errors.BillingError], tuple[int, str]]] = {
    errors.UnknownPlanError: (404, "unknown_plan"),
    errors.UnknownAppealError: (404, "unknown_appeal"),
    errors.ClosedAppealError: (409, "closed_appeal"),
    errors.AmountError: (422, "amount"),
    errors.NotEndedError: (409, "not_ended"),
    errors.AlreadySubscribedError: (409, "already_subscribed"),
    errors.PaymentDueError: (409, "payment_due"),
    errors.AwaitingBankError: (409, "awaiting_bank"),
    errors.TooManyAttemptsError: (429, "too_many"),
    errors.RefusedError: (400, "refused"),
    errors.StripeUnavailableError: (503, "stripe_unavailable"),
    errors.StripeRefusedError: (503, "stripe_unavailable"),
    errors.BusyError: (503, "busy"),
    errors.StaleReadError: (503, "busy"),
}
_STATUSES: Final = {
    400: "refused",
    403: "forbidden",
    404: "not_found",
    405: "no_page",
    413: "too_large",
    422: "unreadable",
    429: "too_many",
    503: "busy",
}
_RETRY_AFTER: Final = {429: "3600", 503: "30"}  # seconds


def handle(app: FastAPI) -> None:
    """Give every error of this application its page."""
    app.add_exception_handler(SignInNeededError, _sign_in_first)
    app.add_exception_handler(errors.BillingError, _billing_error)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _status)
    app.add_exception_handler(OperationalError, _database_down)
    app.add_exception_handler(NoConnectionError, _database_down)
    app.add_exception_handler(Exception, _failed)


def page(request: Request, status: int, name: str) -> Response:
    """Draw one error's page."""
    response = render(request, f"errors/{name}.html", status_code=status)
    if status in _RETRY_AFTER:
        response.headers["Retry-After"] = _RETRY_AFTER[status]
    return response


def forged(request: Request) -> Response:
    """Answer a form that did not come from one of our pages."""
    return page(request, 403, "forbidden")


def status_and_page(error: errors.BillingError) -> tuple[int, str]:
    """Return the status and the page's name for an error, by its nearest known kind."""
    for kind in type(error).__mro__:
        if kind in _REFUSALS:
            return _REFUSALS[kind]
    return _FAILED, "failed"


def _billing_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.BillingError)  # noqa: S101 (registered for this kind alone)
    status, name = status_and_page(error)
    _log.warning("page.refused", path=_route_of(request), error=type(error).__name__, status=status)
    if status == _FAILED:
        raise error
    return page(request, status, name)


def _sign_in_first(request: Request, error: Exception) -> Response:
    office = isinstance(error, SignInNeededError) and error.office
    back = request.url.path if request.method == "GET" else ("/office" if office else "/account")
    door = "/office/sign-in" if office else "/sign-in"
    return RedirectResponse(f"{door}?{urlencode({'next': back})}", status_code=303)


async def _unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for this kind alone)
    if request.url.path.startswith(_MACHINES):
        return await request_validation_exception_handler(request, error)
    in_the_address = any(e["loc"][0] == "path" for e in error.errors())
    status, name = (_MISSING, "not_found") if in_the_address else (422, "unreadable")
    return page(request, status, name)


async def _status(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for this kind alone)
    if request.url.path.startswith(_MACHINES):
        return await http_exception_handler(request, error)
    answer = page(request, error.status_code, _STATUSES.get(error.status_code, "refused"))
    answer.headers.update(error.headers or {})
    return answer


def _database_down(request: Request, error: Exception) -> Response:
    _log.error("database.unavailable", path=_route_of(request), error=type(error).__name__)
    if request.url.path.startswith(_MACHINES):
        return Response(status_code=503, headers={"Retry-After": "30"})
    return page(request, 503, "busy")


def _failed(request: Request, error: Exception) -> Response:
    """Answer what nobody foresaw. Drawn outside every layer, so it brings its own headers."""
    _log.error("page.failed", path=_route_of(request), error=type(error).__name__)
    answer = page(request, _FAILED, "failed")
    answer.headers.update(security.headers_for(request.app.state.context.settings))
    return answer


def _route_of(request: Request) -> str:
    """Return which door it was, for the log: the address itself may hold a token that works."""
    return getattr(request.scope.get("route"), "path", "")
