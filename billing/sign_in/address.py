"""E-mail addresses as we keep them, and paths on our own site: what was typed, made safe."""

from typing import Final

from email_validator import EmailNotValidError, validate_email

from billing.errors import AddressError

_LONGEST: Final = 254  # RFC 5321, and the column's length
_LONGEST_PATH: Final = 500


def normalise(typed: str) -> str:
    """Return an e-mail address in the one form we keep: lower case.

    Raises:
        AddressError: it is no address.

    Source: https://www.rfc-editor.org/errata/eid1690
    """
    try:
        # test_environment: a demonstration's readers live at .test, where a mail merely bounces.
        checked = validate_email(typed.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise AddressError(str(error)) from error
    address = checked.normalized.lower()
    if len(address) > _LONGEST:
        raise AddressError("the address is too long")
    return address


def local_path(path: str) -> str:
    r"""Return a path if it leads to a page of ours, else ''.

    Browsers read `//host` and `/\host` as other hosts, and drop tabs and line ends before they do.
    """
    if not path.startswith("/") or path.startswith("//") or len(path) > _LONGEST_PATH:
        return ""
    if "\\" in path or any(not c.isprintable() or c.isspace() for c in path):
        return ""
    return path
