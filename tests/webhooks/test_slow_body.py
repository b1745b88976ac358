"""A sender who never finishes is left after a while, and keeps nobody else from being heard."""

from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from billing.context import Context
from webhooks import router


def test_a_body_that_only_trickles_in_is_answered_408_and_read_no_further(
    quiet: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "_PATIENCE", 0.2)
    door = router.Door(quiet)
    said: list[Mapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await anyio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message: Mapping[str, Any]) -> None:
        said.append(message)

    async def knock() -> None:
        with anyio.fail_after(10):
            scope = {"type": "http", "method": "POST", "headers": [], "extensions": {}}
            await door(scope, receive, send)

    anyio.run(knock)

    assert said[0]["status"] == 408
    assert door._in_hand == 0
