"""Workloads judged: each goes the route of `predict` through the same mirror, advice and rules as a live process; manifests have rules of their own."""
