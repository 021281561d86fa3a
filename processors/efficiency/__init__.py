"""Energy-efficiency networks: baselines of energy use, savings against them, and what measures are said to save."""
