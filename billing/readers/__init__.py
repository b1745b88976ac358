"""Readers: found by id, made when somebody starts to pay or proves an address, merged upon proof.

An address belongs to a reader only once it is proved; what somebody typed opens nothing.
"""

from billing.readers.find import address_of, create, find, hold, named, note_typed
from billing.readers.merge import verify_and_merge
from billing.readers.meters import meter_subject

__all__ = [
    "address_of",
    "create",
    "find",
    "hold",
    "meter_subject",
    "named",
    "note_typed",
    "verify_and_merge",
]
