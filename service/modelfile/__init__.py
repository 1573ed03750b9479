"""Modelfiles: read, printed, and what they make."""
