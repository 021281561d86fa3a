"""The imperative shell: the only code with Kafka, ClickHouse, HTTP, environment, clock and logging."""
