"""What travels on Kafka: topics, readings, dead letters, alerts, commands."""
