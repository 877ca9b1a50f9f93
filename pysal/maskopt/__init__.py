"""Mask optimizers whole: from images, baselines and first masks to keep masks.

Methods give them names and starts; the parts they are made of are in `optim` and `masking`.
"""
