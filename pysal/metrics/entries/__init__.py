"""One module per group of metrics."""
