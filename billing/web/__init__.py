"""Thin doors for people, one file for each audience: ask, delegate, answer."""
