"""Child processes that never outlive their parent, their logs, ports and private files."""
