"""One API request from its bytes to its answer.

The order matters and is Stripe's: key, version, route and params are checked first and leave no
trace; only what begins to execute is kept under its idempotency key.
"""

import base64
import binascii
import json
import logging
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl

from sandbox.contract import forms
from sandbox.contract.operations import match
from sandbox.contract.schemas import params_schema
from sandbox.errors import StripeError, invalid, not_simulated, unauthorized
from sandbox.kernel.calls import SIMULATED, Call, Simulated, refuse_unsimulated
from sandbox.kernel.expand import expand
from sandbox.kernel.faults import Fault, Faults
from sandbox.kernel.idempotency import InFlight, Memory, Reply
from sandbox.kernel.ids import token
from sandbox.kernel.world import World

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What came over the wire; header names in lower case."""

    method: str
    path: str
    query: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: str
    headers: dict[str, str]


class Dispatcher:
    """The door of the API."""

    def __init__(self, world: World, faults: Faults) -> None:
        """Serve `world`, failing as `faults` says."""
        self._world = world
        self._faults = faults
        self._in_flight = InFlight()

    def answer(self, request: Request) -> Answer:
        """Answer one request; never raises."""
        request_id = f"req_{token(14)}"
        headers = {"Request-Id": request_id, "Stripe-Version": self._world.version}
        try:
            simulated, call = self._understood(request)
            reply = self._executed(request, simulated, call, request_id)
        except StripeError as error:
            reply = _refusal(error, request_id)
        if reply.status == HTTPStatus.NOT_IMPLEMENTED:
            headers["Stripe-Should-Retry"] = "false"  # or the SDK would try again, in vain
        key = _idempotency_key(request)
        if key:
            headers |= {"Idempotency-Key": key, "Original-Request": reply.request}
            if reply.request != request_id:
                headers["Idempotent-Replayed"] = "true"
        return Answer(reply.status, reply.body, headers)

    def _understood(self, request: Request) -> tuple[Simulated, Call]:
        """Check all that can be checked before anything happens."""
        _check_key(request.headers.get("authorization", ""))
        _check_version(request.headers, self._world.version)
        found = match(request.method, request.path)
        if request.path.startswith("/v2/"):
            raise not_simulated(f"API v2 ({request.method} {request.path})")
        if found is None:
            where = f"{request.method}: {request.path}"
            raise StripeError(404, "invalid_request_error", f"Unrecognized request URL ({where}).")
        operation, ids = found
        simulated = SIMULATED.get((operation.method, operation.path))
        if simulated is None:
            where = f"{operation.method} {operation.path} ({operation.name})"
            raise not_simulated(where)
        body = request.body.decode(errors="replace")
        encoded = body if request.method == "POST" else request.query
        pairs = parse_qsl(encoded, keep_blank_values=True)
        schema = params_schema(*operation.params) if operation.params else {"type": "object"}
        params = forms.read(forms.unflatten(pairs), schema)
        refuse_unsimulated(params, simulated.params)
        return simulated, Call(request.path, ids, params)

    def _executed(
        self, request: Request, simulated: Simulated, call: Call, request_id: str
    ) -> Reply:
        world, key = self._world, _idempotency_key(request)
        memory = Memory(world, key, [request.method, request.path, call.params])
        with self._in_flight.claimed(key) if key else nullcontext():
            fault = self._faults.take(request.method, request.path)
            if fault is not None:
                time.sleep(fault.delay)
                fault = fault if fault.status else None
            return self._answered(call, simulated, request_id, memory, fault)

    def _answered(
        self,
        call: Call,
        simulated: Simulated,
        request_id: str,
        memory: Memory,
        fault: Fault | None,
    ) -> Reply:
        world = self._world
        with world.lock:
            world.run_due()
            reply = memory.recall()
            if reply is None and (fault is None or fault.after_effect):
                reply = _run(world, simulated, call, request_id, memory)
            elif reply is None and fault and fault.remembered:
                memory.keep(_refusal(_failure(fault), request_id))
        if fault is not None or reply is None:
            raise _failure(fault)
        return reply


def _run(world: World, simulated: Simulated, call: Call, request_id: str, memory: Memory) -> Reply:
    """Let the handler work; its answer is remembered in the transaction that did the work."""
    try:
        with world.changing({"id": request_id, "idempotency_key": memory.key or None}):
            try:
                doc = simulated.handler(world, call)
                doc = expand(world, doc, call.params.get("expand", []))
                reply = Reply(200, json.dumps(doc, indent=2), request_id)
            except StripeError as error:
                if not error.keeps_effects:
                    raise
                reply = _refusal(error, request_id)
            memory.keep(reply)
            return reply
    except StripeError as error:
        reply = _refusal(error, request_id)
    except Exception as error:
        logger.exception("%s %s failed", call.path, request_id)
        message = f"The sandbox failed: {type(error).__name__}: {error}"
        reply = _refusal(StripeError(500, "api_error", message), request_id)
    memory.keep(reply)
    return reply


def _refusal(error: StripeError, request_id: str) -> Reply:
    return Reply(error.status, json.dumps({"error": error.body}, indent=2), request_id)


def _failure(fault: Fault | None) -> StripeError:
    status = fault.status if fault else HTTPStatus.INTERNAL_SERVER_ERROR
    kind = "rate_limit_error" if status == HTTPStatus.TOO_MANY_REQUESTS else "api_error"
    return StripeError(status, kind, "This failure was ordered in the sandbox.")


def _idempotency_key(request: Request) -> str:
    """Return the key of a POST; on other verbs Stripe ignores it."""
    return request.headers.get("idempotency-key", "") if request.method == "POST" else ""


def _check_key(authorization: str) -> None:
    """Let in test keys only, by Basic or Bearer.

    Source: https://docs.stripe.com/api/authentication
    """
    scheme, _, credentials = authorization.partition(" ")
    key = credentials.strip()
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(key, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            key = ""
    if not key:
        raise unauthorized("You did not provide an API key. Use any key that begins sk_test_.")
    if key.startswith(("sk_live_", "rk_live_")):
        raise unauthorized(
            "This is the local sandbox and you sent it a LIVE key. It was refused and not kept. "
            "Use a key that begins sk_test_."
        )
    if not key.startswith(("sk_test_", "rk_test_")):
        raise unauthorized("Invalid API Key provided. Use a key that begins sk_test_.")


def _check_version(headers: Mapping[str, str], pinned: str) -> None:
    version = headers.get("stripe-version", pinned)
    if version != pinned:
        raise invalid(f"The sandbox speaks API version {pinned} only, not {version}.")
    for name in ("stripe-account", "stripe-context"):
        if name in headers:
            raise not_simulated(f"the header {name} (Connect)")
