"""`zonepulse doctor`: one file for each kind of check."""
