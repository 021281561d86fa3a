"""Commands that try zonepulse itself: how fast it is, and what it survives."""
