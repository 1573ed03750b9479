"""How verbs talk to a running service."""
