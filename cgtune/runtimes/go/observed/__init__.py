"""The third witness: what a Go process has. Imports nothing of derived."""
