"""What lint found, as text: one format a module. Everything that a manifest says is untrusted: it is escaped here."""
