"""Stripe's error object, raised as an exception anywhere in the sandbox.

Source: https://docs.stripe.com/api/errors
"""

from typing import Any

_DOCS = "https://docs.stripe.com/error-codes"


class StripeError(Exception):
    """An answer other than 200, in Stripe's own shape.

    Attributes:
        status: the HTTP status.
        body: what stands under `error` in the answer.
        done: what was done is kept all the same, such as a charge that was declined.
    """

    done = False

    def __init__(self, status: int, kind: str, message: str, **extra: Any) -> None:
        """Describe the refusal; `extra` holds code, param, decline_code and the like."""
        super().__init__(message)
        self.status = status
        self.body = {"type": kind, "message": message}
        self.body |= {key: value for key, value in extra.items() if value is not None}
        if "code" in self.body:
            self.body["doc_url"] = f"{_DOCS}/{self.body['code'].replace('_', '-')}"


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> StripeError:
    """Refuse a request that can never work as it stands."""
    return StripeError(400, "invalid_request_error", message, param=param, code=code)


def lacking(param: str) -> StripeError:
    """Refuse a request without a parameter it needs."""
    message = f"Missing required param: {param}."
    return invalid(message, param=param, code="parameter_missing")


def missing(kind: str, ident: str, *, param: str = "id", status: int = 404) -> StripeError:
    """Say that an id names nothing: 404 for the object itself, 400 for one it refers to."""
    said = {"code": "resource_missing", "param": param}
    return StripeError(status, "invalid_request_error", f"No such {kind}: '{ident}'", **said)


def declined(error: dict[str, Any]) -> StripeError:
    """Say that a payment was tried and failed, in the words of its `last_payment_error`."""
    said = {name: error[name] for name in ("code", "decline_code", "charge") if name in error}
    refusal = StripeError(402, "card_error", error["message"], **said)
    refusal.done = True
    return refusal


def unauthorized(message: str) -> StripeError:
    """Refuse the key."""
    return StripeError(401, "invalid_request_error", message)


def not_simulated(what: str, *, param: str | None = None) -> StripeError:
    """Say by name what real Stripe knows and this one does not: never ignored in silence."""
    message = f"The sandbox does not simulate {what}."
    return StripeError(501, "api_error", message, param=param, code="not_simulated")
