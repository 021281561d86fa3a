"""Rules that the ledger brings: each compares sums of its own; their contract is schemas/messages/alerts.py."""
