"""What screens ask the store: one SQL for the dashboards and the board, its texts in three languages, and its macros."""
