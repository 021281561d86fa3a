"""Emission factors: the shipped tables, what was known when, and which factor answers."""
