"""Entries of the methods, by group: names, needs, costs and sources; no code is imported."""
