"""The worker processes: one file a task, and what only they need."""
