"""Functions that a model may call: how it is told of them, and how it writes its calls."""
