"""Turns model weights into packages: resolve, read, build, write, verify, publish."""
