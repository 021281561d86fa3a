"""How a message gets to where it goes; each attempt blocks, and says what became of it."""
