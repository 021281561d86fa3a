"""The registry: what a zone consists of and when, and its form on the topic."""
