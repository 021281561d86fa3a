"""Detectors that judge whole days, and what is gathered of a day for them."""
