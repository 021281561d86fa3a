"""`zonepulse chaos`: a running zone, what strikes it, and the comparison with the oracle. A new kind of fault is an entry in kinds.py."""
