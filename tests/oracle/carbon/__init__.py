"""Windows of the zone: location and market."""
