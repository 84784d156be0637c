"""Readers of checkpoint files: headers, metadata and tensor tables, without loading any weights."""
