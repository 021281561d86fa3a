"""Rules over closed windows, and their transitions as alerts."""
