"""All that touches the operating system; nothing else opens a file of a machine."""
