"""What energy-efficiency networks are made of, and the weather that their savings are judged by."""
