"""`zonepulse network`, `zonepulse benchmark` and `zonepulse advice`."""
