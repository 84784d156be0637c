"""The faces of a result: JSON, terminal, one HTML page. Formats what others computed, computes no statistics."""
