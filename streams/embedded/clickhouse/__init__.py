"""The real ClickHouse engine in a process, and what its readers may do."""
