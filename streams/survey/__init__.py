"""What is in a file of readings, and a first zone.yaml from it."""
