"""The second witness: what Go concludes by itself. Imports nothing of observed."""
