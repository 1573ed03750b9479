"""Builds the ONNX graph of a decoder-only language model straight from its weights."""
