"""Benchmarks against real servers: `python -m benchmarks.queue`, `python -m benchmarks.label_studio`."""
