"""Claims of a model card: read, checked by arithmetic, and answered with evidence."""
