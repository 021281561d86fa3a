"""Contracts: what crosses a border of zonepulse, as data. No I/O, no clock, no numba."""
