"""What the kernel says of cgroups and processes: its text as values, and where a process's chain lies."""
