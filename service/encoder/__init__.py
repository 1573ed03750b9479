"""Encoders: embedding models and rerankers, many texts of many requests in one batch."""
