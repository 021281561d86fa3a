"""What an operator does at a Kafka cluster: rights and topics."""
