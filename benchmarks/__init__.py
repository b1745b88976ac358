"""Repeatable measurements, each against a floor taken in the same run, in turns with it.

Absolute figures belong to a machine and an hour; the ratio is what is quoted.
"""
