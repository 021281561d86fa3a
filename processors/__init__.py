"""The pure functional core: arrays in, arrays out. No I/O, no clock, no logging, no environment."""
