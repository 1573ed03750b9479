"""Encoders, exported by optimum: embedding models and rerankers."""
