"""Which operators the execution providers have kernels for, and graphs held against that."""
