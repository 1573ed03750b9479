"""Decoders that make vectors of texts, or judge pairs of them, from our own graphs."""
