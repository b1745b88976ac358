"""What Stripe has told already: a rehearsal asks nothing, it answers from a list read before.

Nothing that is asked through such a gateway ever leaves this machine, so a transaction may be open
meanwhile; what nobody has told is named, so that it can be read and the rehearsal begun anew.
"""

import functools
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, TypeVar

from billing.stripe_gateway.client import Gateway

Theirs = TypeVar("Theirs")
Key = tuple[str, str]  # the name of a function of `read`, and Stripe's id of what it reads

READS: Final[dict[str, Callable[[Gateway, str], object]]] = {}


class NotToldError(Exception):
    """Somebody asked, in a rehearsal, for what nobody had read before.

    Attributes:
        key: what is to be told; None where it is no object that can be.
    """

    def __init__(self, key: Key | None = None) -> None:
        super().__init__(f"nobody has told {key}" if key else "Stripe was asked in a rehearsal")
        self.key = key


class ToldGateway(Gateway):
    """Stripe, as far as somebody has read it."""

    def __init__(self, told: Mapping[Key, Any]) -> None:
        """Answer from what is told, and from nothing else."""
        self.told = told

    def ask(self, question: Callable[[], Any]) -> Any:  # noqa: ARG002  # a gateway's signature
        """Ask nothing.

        Raises:
            NotToldError: always.
        """
        raise NotToldError

    def __getattr__(self, name: str) -> Any:
        """Have no way to Stripe at all: whoever reaches for one is told so."""
        raise NotToldError


def may_be_told(
    read: Callable[[Gateway, str], Theirs],
) -> Callable[[Gateway, str], Theirs]:
    """Let a function that reads one object answer from what a list has told."""
    name = read.__name__
    READS[name] = read

    @functools.wraps(read)
    def answer(gateway: Gateway, object_id: str) -> Theirs:
        if not isinstance(gateway, ToldGateway):
            return read(gateway, object_id)
        try:
            found: Theirs = gateway.told[name, object_id]
        except KeyError:
            raise NotToldError((name, object_id)) from None
        return found

    return answer


def tell(gateway: Gateway, told: MutableMapping[Key, Any], key: Key) -> None:
    """Read what was missed, so that it is told from now on.

    Raises:
        StripeRefusedError, StripeUnavailableError: as `Gateway.ask`.
    """
    name, object_id = key
    told[key] = READS[name](gateway, object_id)
