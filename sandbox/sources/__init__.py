"""Stand-ins for the sources of passive DNS, one module each."""
