"""One channel: from records to interval rows and their alerts."""
