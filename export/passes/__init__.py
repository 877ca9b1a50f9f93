"""Changes to a model before the walk, one concern per file."""
