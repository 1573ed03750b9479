"""Other engines on the same weights, each measured at its best."""
