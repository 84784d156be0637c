"""Drift: two models read the same texts; where do their distributions over the next token part, and how far?"""
