"""Workloads judged: each goes the route of `predict`, with the mirror, advice and rules of a live process, and has rules of its own."""
