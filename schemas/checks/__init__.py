"""What a registry must keep, what is probably not meant, and what a new version may change."""
