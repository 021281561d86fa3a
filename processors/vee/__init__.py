"""Validation and estimation as pure functions; not wired into a worker yet."""
