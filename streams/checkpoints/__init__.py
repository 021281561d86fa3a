"""What a task remembers of its logs."""
