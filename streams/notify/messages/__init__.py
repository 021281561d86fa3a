"""What a message says, in the reader's language: pure functions of alerts and time."""
