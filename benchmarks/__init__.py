"""Runnable measurements; each writes a JSON result and a table."""
