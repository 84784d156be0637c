"""Whether a benchmark is inflated by what a model was trained on: overlap with its data, and fresh twins."""
