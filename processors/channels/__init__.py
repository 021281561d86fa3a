"""Channels: a register as a dense number, what it means at a time, and the grid of its periods."""
