"""What must hold of energy-efficiency networks and of weather."""
