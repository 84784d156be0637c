"""Behaviours: facts about a reply that need no gold answer. Pure functions, versioned."""
