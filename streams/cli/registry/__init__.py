"""`zonepulse registry`."""
