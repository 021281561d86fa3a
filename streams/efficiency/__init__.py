"""Energy-efficiency networks, benchmarks and advice: from the store's rows to documents for people and machines."""
