"""What notices that a task stands, dies again and again, or meets a record that it cannot handle."""
