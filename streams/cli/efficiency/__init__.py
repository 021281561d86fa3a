"""`zonepulse network`."""
