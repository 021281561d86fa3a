"""Alerts reach people: routing, grouping and messages as pure functions, and the worker that sends them."""
