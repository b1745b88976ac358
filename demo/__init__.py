"""A demonstration newspaper with a mailbox: a customer of billing's HTTP API, like any CMS.

It imports nothing of ours. Whatever it needs to know about a reader, it asks over HTTP, so what
works here works from Drupal.
"""
