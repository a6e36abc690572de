"""Which Go program a file is."""
