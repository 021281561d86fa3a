"""The ledger of a zone: ticks of all partitions become emissions, totals, intensity and alerts."""
