"""Indicators as data: named quantities, formulas over them, thresholds with their sources."""
