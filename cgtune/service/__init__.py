"""The parts of the service: what looks, what holds the newest report, and what tells it."""
