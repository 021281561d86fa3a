"""zone.yaml and the factor tables as plain values."""
