"""What is written of containers where decisions are made: manifests, Compose files, task definitions, units. Readers make workloads of it.

Nothing here judges. A reader takes one document, and gives a Workload for each container that it tells of.
"""
