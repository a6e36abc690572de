"""Recommended values, for processes that run and for limits that are only named."""
