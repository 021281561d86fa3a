"""What a running zone is told: registry versions and commands."""
