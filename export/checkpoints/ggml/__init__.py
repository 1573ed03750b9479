"""ggml's block encodings: numbers that share scales."""
