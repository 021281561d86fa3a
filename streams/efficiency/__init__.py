"""Energy-efficiency networks: from the store's rows to documents for people and machines."""
