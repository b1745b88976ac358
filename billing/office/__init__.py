"""The staff: who they are, and how they are let in."""

from billing.office.staff import add_staff, find_staff, issue_link

__all__ = ["add_staff", "find_staff", "issue_link"]
