"""Checks and timings of one card; `benchmarks/device.sh` runs each step in its own process."""
