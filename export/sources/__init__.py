"""Where weights come from: a hub, a Python package, a folder, a file."""
