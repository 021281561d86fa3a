"""Commands about who is told of alerts."""
