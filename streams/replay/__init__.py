"""Readings through the ledger again."""
