"""The database's history, and the two questions a start-up asks of it."""
