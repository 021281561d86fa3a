"""Advice: what a company could do, each with the calculation behind it."""
