"""The options of each command; typer is imported here alone."""
