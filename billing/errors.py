"""Every error we raise on purpose.

    BillingError
    ├── ConfigurationError      a setting is missing or unsafe; the message names the cure
    ├── RefusedError            what somebody asked for cannot be done; safe to show to them
    │   ├── UnknownPlanError
    │   ├── UnknownAppealError
    │   ├── ClosedAppealError
    │   ├── AmountError
    │   ├── AlreadySubscribedError
    │   │   ├── PaymentDueError     they have, and its last payment is still to be made
    │   │   └── AwaitingBankError   they will have, once their bank has paid
    │   ├── NotEndedError           Stripe does not let us end it; the staff are asked to
    │   ├── AddressError
    │   └── TooManyAttemptsError
    ├── StripeUnavailableError  Stripe did not answer, or its answer is lost: the outcome is unknown
    │   └── KeyRefusedError     our key may not ask this; once it may, everything goes on by itself
    ├── StripeRefusedError      Stripe answered no
    ├── BusyError               somebody else is looking at the same Stripe object: try again soon
    ├── StaleReadError          somebody has looked since we did: their answer is newer than ours
    └── UnknownReaderError      Stripe speaks of a customer who is none of our readers

The text of an error is for us and the log; the words a reader sees live in templates.
"""

from datetime import datetime


class BillingError(Exception):
    """The root of every error raised on purpose."""


class ConfigurationError(BillingError):
    """A setting is missing or unsafe; the message names the cure."""


class RefusedError(BillingError):
    """What somebody asked for cannot be done; the reason may be shown to them."""


class NotEndedError(RefusedError):
    """Stripe does not let us end a subscription; the staff are asked to end it by hand."""


class UnknownPlanError(RefusedError):
    """No such plan or price is on sale."""


class UnknownAppealError(RefusedError):
    """No such appeal."""


class ClosedAppealError(RefusedError):
    """The appeal is not open today."""


class AmountError(RefusedError):
    """The amount cannot be read, or is outside what we accept."""


class AlreadySubscribedError(RefusedError):
    """The reader already has a live subscription to this plan."""


class PaymentDueError(AlreadySubscribedError):
    """They have it, and its last payment is still to be made: that one, and no second."""


class AwaitingBankError(AlreadySubscribedError):
    """They will have it once their bank has paid; paying again would be paying twice."""


class AddressError(RefusedError):
    """What was typed is no e-mail address."""


class TooManyAttemptsError(RefusedError):
    """Tried too often; the reader may try again later.

    Attributes:
        again_at: from when it may be tried again.
    """

    def __init__(self, message: str, *, again_at: datetime) -> None:
        super().__init__(message)
        self.again_at = again_at


class StripeUnavailableError(BillingError):
    """Stripe did not answer, or its answer was lost: the outcome is unknown.

    Attributes:
        kept: Stripe answers this idempotency key with this failure for a day.
    """

    def __init__(self, message: str, *, kept: bool = False) -> None:
        super().__init__(message)
        self.kept = kept


class KeyRefusedError(StripeUnavailableError):
    """Our key may not ask this: a person must let it, and until then the outcome is unknown."""


class StripeRefusedError(BillingError):
    """Stripe answered no.

    Attributes:
        missing: the parameter naming an object Stripe does not have, such as `customer`; else ''.
    """

    def __init__(self, message: str, *, missing: str = "") -> None:
        super().__init__(message)
        self.missing = missing


class BusyError(BillingError):
    """Somebody else is looking at the same Stripe object; try again soon."""


class StaleReadError(BillingError):
    """Somebody has looked since we did; their answer is newer than ours."""


# Nobody's fault, and over some day: what met one of these is tried again for as long as it takes.
PASSING = (BusyError, StaleReadError, StripeUnavailableError)


class UnknownReaderError(BillingError):
    """Stripe speaks of a customer who is none of our readers."""
