"""One API request from its bytes to its answer.

The order matters and is Stripe's: key, version, route and params are checked first and leave no
trace; only what begins to execute is kept under its idempotency key.
"""

import json
import logging
import time
from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from sandbox.contract import forms
from sandbox.contract.operations import match
from sandbox.contract.schemas import schema_of
from sandbox.errors import StripeError, invalid, not_simulated, unauthorized
from sandbox.kernel.calls import SIMULATED, Call, Simulated, refuse_unsimulated
from sandbox.kernel.expand import expand
from sandbox.kernel.faults import Fault
from sandbox.kernel.idempotency import Key, Memory, Reply
from sandbox.kernel.ids import token
from sandbox.kernel.test_clock import living
from sandbox.kernel.world import World

logger = logging.getLogger(__name__)

_NO_ANSWER = StripeError(500, "api_error", "Nobody will read this answer.")


class Dispatcher:
    """The door of the API."""

    def __init__(self, world: World) -> None:
        """Serve `world`."""
        self._world = world
        self._memory = Memory(world)

    def answer(self, request: Request, body: bytes) -> Response:
        """Answer one request; never raises."""
        request_id = f"req_{token(14)}"
        headers = {"Request-Id": request_id, "Stripe-Version": self._world.version}
        # On other verbs Stripe ignores the key.
        text = request.headers.get("idempotency-key", "") if request.method == "POST" else ""
        fault = None
        try:
            simulated, call = self._understood(request, body)
            with self._world.lock:
                fault = self._world.faults.take(request.method, call.path)
            key = Key.of(text, request.method, call.path, call.params)
            with self._memory.claimed(key):
                reply = self._executed(fault, simulated, call, key, request_id)
        except StripeError as error:
            reply = _refusal(error, request_id)
        if reply.status == HTTPStatus.NOT_IMPLEMENTED:
            headers["Stripe-Should-Retry"] = "false"  # or the SDK would try again, in vain
        if text:
            headers |= {"Idempotency-Key": text, "Original-Request": reply.request}
            if reply.request != request_id:
                headers["Idempotent-Replayed"] = "true"
        answer = Response(reply.body, reply.status, headers, "application/json")
        return fault.spoil(answer) if fault else answer

    def _understood(self, request: Request, body: bytes) -> tuple[Simulated, Call]:
        """Check all that can be checked before anything happens."""
        method, path = request.method, request.scope["path"]
        _check_key(request.headers.get("authorization", ""))
        _check_version(request.headers, self._world.version)
        if path.startswith("/v2/"):
            raise not_simulated(f"API v2 ({method} {path})")
        found = match(method, path)
        if found is None:
            message = f"Unrecognized request URL ({method}: {path})."
            raise StripeError(404, "invalid_request_error", message)
        operation, ids = found
        simulated = SIMULATED.get((operation.method, operation.path))
        if simulated is None:
            raise not_simulated(f"{operation.method} {operation.path} ({operation.name})")
        encoded = body.decode(errors="replace") if method == "POST" else request.url.query
        pairs = parse_qsl(encoded, keep_blank_values=True)
        schema = schema_of(*operation.params) if operation.params else {"type": "object"}
        params = forms.read(forms.unflatten(pairs), schema)
        refuse_unsimulated(params, simulated.params)
        return simulated, Call(path, ids, params)

    def _executed(
        self, fault: Fault | None, simulated: Simulated, call: Call, key: Key, request_id: str
    ) -> Reply:
        """Do the work, unless it has been done or is to fail; a fault may hide the answer."""
        if fault is not None and fault.kind != "drip":
            time.sleep(fault.delay)
        with self._world.lock:
            self._world.run_due()
            known = reply = self._memory.recall(key)
            if known is None and (fault is None or fault.acts):
                reply = self._run(simulated, call, key, request_id)
            refusal = fault.refusal if fault else None
            if reply is not None and refusal is None:
                return reply
            reply = _refusal(refusal or _NO_ANSWER, request_id)
            if fault is not None and fault.kind == "kept_error" and known is None:
                self._memory.keep(key, reply)
            return reply

    def _run(self, simulated: Simulated, call: Call, key: Key, request_id: str) -> Reply:
        """Let the handler work; its answer is remembered in the transaction that did the work."""
        world = self._world
        try:
            with world.changing({"id": request_id, "idempotency_key": key.text or None}):
                reply = self._handled(simulated, call, request_id)
                self._memory.keep(key, reply)
                return reply
        except StripeError as error:
            reply = _refusal(error, request_id)
        except Exception as error:
            logger.exception("%s %s failed", call.path, request_id)
            message = f"The sandbox failed: {type(error).__name__}: {error}"
            reply = _refusal(StripeError(500, "api_error", message), request_id)
        self._memory.keep(key, reply)
        return reply

    def _handled(self, simulated: Simulated, call: Call, request_id: str) -> Reply:
        try:
            with living(self._world, *call.ids.values(), *call.params.values()):
                answer = simulated.handler(self._world, call)
            doc = expand(self._world, answer, call.params.get("expand", []))
        except StripeError as error:
            if not error.done:
                raise
            return _refusal(error, request_id)
        return Reply(200, json.dumps(doc, indent=2), request_id)


def _refusal(error: StripeError, request_id: str) -> Reply:
    return Reply(error.status, json.dumps({"error": error.body}, indent=2), request_id)


def _check_key(authorization: str) -> None:
    """Let in test keys only."""
    # Source: https://docs.stripe.com/api/authentication
    key = authorization.removeprefix("Bearer ").strip()
    if key.startswith(("sk_live_", "rk_live_")):
        raise unauthorized(
            "This is the local sandbox and you sent it a LIVE key. It was refused and not kept. "
            "Use a key that begins sk_test_."
        )
    if not key.startswith(("sk_test_", "rk_test_")):
        raise unauthorized("Give a Bearer key that begins sk_test_.")


def _check_version(headers: Headers, pinned: str) -> None:
    version = headers.get("stripe-version", pinned)
    if version != pinned:
        raise invalid(f"The sandbox speaks API version {pinned} only, not {version}.")
    for name in ("stripe-account", "stripe-context"):
        if name in headers:
            raise not_simulated(f"the header {name} (Connect)")
