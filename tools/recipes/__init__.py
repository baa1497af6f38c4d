"""Training recipes: functions that return a complete, frozen recipe."""
