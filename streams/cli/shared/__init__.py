"""What several commands share: options, files and sentences."""
