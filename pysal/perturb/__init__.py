"""What sampling methods share: windows, random grids, segments, fillers, regression, progress."""
