"""Who is told of what, and when: pure functions of state and time."""
