"""Weights that were quantised before they were published: GPTQ, AWQ and others."""
