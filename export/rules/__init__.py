"""Backward rules, as tables."""
