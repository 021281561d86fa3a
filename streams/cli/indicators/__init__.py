"""`zonepulse indicators` and `zonepulse budgets`."""
