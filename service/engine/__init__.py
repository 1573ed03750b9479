"""Runs many requests over one model: scheduling, KV cache, sampling, one step at a time."""
