"""ONNX Runtime: which execution provider runs, its sessions, its memory."""
