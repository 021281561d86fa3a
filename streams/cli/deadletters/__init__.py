"""`zonepulse deadletters`."""
