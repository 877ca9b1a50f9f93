"""Image data whose ground truth is known: where the evidence of a class is, pixel by pixel."""
