"""How weights are stored: safetensors and GGUF, read one tensor at a time."""
