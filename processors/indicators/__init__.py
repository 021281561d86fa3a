"""Indicators of a zone and its companies, from sums of the ledger and inputs given by hand."""
