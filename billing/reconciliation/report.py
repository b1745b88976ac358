"""What a comparison with Stripe found, as figures and in words. It names objects, never people."""

from dataclasses import dataclass, field
from typing import Any

from billing.reconciliation.rehearsal import Difference
from billing.words import counted


@dataclass(slots=True)
class Drift:
    """One object in which we differ from Stripe.

    Attributes:
        readers: whose access or mail putting it right would touch.
        theirs: what Stripe's list said of it, where it cannot change.
    """

    kind: str
    object_id: str
    differences: list[Difference]
    readers: set[str] = field(default_factory=set)
    theirs: object = None
    repaired: bool = False

    def as_found(self) -> list[dict[str, str]]:
        """Return the differences as they are kept."""
        return [
            {"field": f"{d.row} {d.field}".strip(), "ours": d.ours, "theirs": d.theirs}
            for d in self.differences
        ]


@dataclass(slots=True)
class Report:
    """What one walk found.

    Attributes:
        compared: how many objects of each kind.
        full: whether all there ever was is compared.
        left: how many had changed, or were told of, only just now: on their way, and no drift yet.
        failed: objects that could not be looked at, each with its reason.
        stopped: why the walk did not come to its end; '' where it did.
        waiting_for: how many readers a repair would have touched, where that is for a person to
            agree to; 0 where nothing waits.
    """

    full: bool = False
    compared: dict[str, int] = field(default_factory=dict)
    drifts: list[Drift] = field(default_factory=list)
    left: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    stopped: str = ""
    waiting_for: int = 0

    @property
    def readers(self) -> set[str]:
        """Whose access or mail putting everything right would touch."""
        return set().union(*(drift.readers for drift in self.drifts))

    @property
    def exit_code(self) -> int:
        """0 where we agree with Stripe, 1 where we did not, 2 where not all could be looked at."""
        if self.stopped or self.failed:
            return 2
        return 1 if self.drifts else 0

    def as_kept(self) -> dict[str, Any]:
        """Return what a kept report says of it: `compared`, `differences`, `failed`, `stopped`."""
        return {
            "compared": self.compared,
            "differences": [
                {"kind": d.kind, "object_id": d.object_id, "found": d.as_found()}
                for d in self.drifts
            ],
            "left": self.left,
            "failed": self.failed,
            "stopped": self.stopped,
        }

    def in_words(self) -> list[str]:
        """Return it line by line, for a person."""
        objects = counted(sum(self.compared.values()), "object")
        lines = [f"compared {objects}: {_by_kind(self.compared)}"]
        for drift in self.drifts:
            done = "repaired" if drift.repaired else "not repaired"
            lines.append(f"{drift.kind} {drift.object_id}: {done}")
            lines += [
                f"    {each['field']}: ours {each['ours'] or 'nothing'},"
                f" Stripe's {each['theirs'] or 'nothing'}"
                for each in drift.as_found()
            ]
        if self.left:
            lines.append(f"{self.left} left: they changed just now, and are on their way")
        lines += [f"{each}: could not be looked at: {why}" for each, why in self.failed.items()]
        if self.waiting_for:
            what = "NO MORE" if any(drift.repaired for drift in self.drifts) else "NOTHING"
            lines.append(
                f"{what} was repaired: it would change the access or the mail of"
                f" {counted(self.waiting_for, 'reader')}. If that is right, run `{self.cure}`."
            )
        if self.stopped:
            lines.append(f"STOPPED: {self.stopped}")
        return [*lines, self._verdict()]

    @property
    def cure(self) -> str:
        """The command that repairs what waits for a person."""
        full = " --full" if self.full else ""
        return f"billing reconcile{full} --most-readers {self.waiting_for}"

    def _verdict(self) -> str:
        if not self.drifts:
            return "no difference" if self.exit_code == 0 else "no difference in what was seen"
        repaired = sum(drift.repaired for drift in self.drifts)
        return f"{counted(len(self.drifts), 'difference')}, {repaired} of them repaired"


def _by_kind(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items())) or "none"
