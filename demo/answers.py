"""What the paywall check answers, as this paper understands it.

Only an answer that says plainly `granted` or `denied` is an answer. Anything else is treated as
silence, and silence is the caller's business (see `check`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

MAY_PASS_ON = {"subscriber", "offline", "seat", "gift", "comp", "staff"}
DEFAULT_MESSAGE = "You have reached the free limit. Subscribe to continue reading."


@dataclass(frozen=True, slots=True)
class Links:
    """Where the paper sends its readers for everything that is not reading."""

    subscribe: str
    sign_in: str
    account: str
    support: str
    contact: str
    appeal: str
    shop: str
    give: str

    @classmethod
    def on(cls, billing: str) -> Self:
        """Return the well-known addresses, for the pages which ask nothing."""
        return cls(
            subscribe=f"{billing}/subscribe",
            sign_in=f"{billing}/sign-in",
            account=f"{billing}/account",
            support=f"{billing}/support",
            contact=f"{billing}/contact",
            appeal=f"{billing}/appeals/95th-anniversary",
            shop="https://shop.example",
            give=f"{billing}/give",
        )

    def updated(self, theirs: Mapping[str, Any]) -> Self:
        """Prefer the addresses in an answer. A link that is not a web address is ignored."""
        names = [field.name for field in fields(self)]
        known = {name: str(theirs[name]) for name in names if theirs.get(name)}
        web = {name: url for name, url in known.items() if url.startswith(("http://", "https://"))}
        return type(self)(**{name: web.get(name, getattr(self, name)) for name in names})


@dataclass(frozen=True, slots=True)
class Meter:
    """How far this browser is through its free articles. The count is billing's, never ours."""

    used: int
    limit: int
    remaining: int
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """One decision about one reader and one article."""

    granted: bool
    reason: str
    because: str
    message: str
    offer: str
    meter: Meter | None
    links: Links

    @property
    def only_prepared(self) -> bool:
        """Whether a browser prepares a page that nobody looks at yet: ask again, show nothing."""
        return not self.granted and self.reason == "prepared"

    @property
    def may_pass_on(self) -> bool:
        """Whether they have a right of their own, by which they may pass the article on."""
        return self.granted and self.reason in MAY_PASS_ON

    @classmethod
    def read(cls, data: Mapping[str, Any], *, links: Links) -> Self:
        """Read the check's JSON.

        Raises:
            LookupError, TypeError, ValueError: it is not an answer.
        """
        access = data["access"]
        if access not in {"granted", "denied"}:
            raise ValueError(f"access is neither granted nor denied: {access!r}")
        return cls(
            granted=access == "granted",
            reason=str(data["reason"]),
            because=str(data.get("because") or ""),
            message=str(data.get("message") or DEFAULT_MESSAGE),
            offer=str(data.get("offer") or ""),
            meter=_meter(data.get("meter")),
            links=links.updated(data.get("links") or {}),
        )


def _meter(data: Mapping[str, Any] | None) -> Meter | None:
    if data is None:
        return None
    return Meter(
        used=int(data["used"]),
        limit=int(data["limit"]),
        remaining=int(data["remaining"]),
        resets_at=datetime.fromisoformat(data["resets_at"]),
    )
