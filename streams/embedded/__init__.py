"""The embedded stack: a real Kafka broker and the real ClickHouse engine on one machine."""
