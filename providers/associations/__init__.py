"""The associations: one table, and how its ends are reached."""
