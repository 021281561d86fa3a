"""Indicators for people: from the store's rows to numbers and words."""
