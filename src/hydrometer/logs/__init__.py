"""Readers for the logs of evaluation harnesses: lm-evaluation-harness, Inspect, and plain tables."""
