"""What is known of a fleet, as text: one format a module. All names and words of series are untrusted: they are escaped here."""
