"""onnxruntime-genai's layout of a model: packages that it loads, and its models as packages."""
