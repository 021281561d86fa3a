"""`zonepulse readings`: values that people give in place of a meter's."""
