"""Records in and out: consumers by fetch, topics, groups, the log itself, and the blocks between tasks."""
