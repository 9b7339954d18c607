"""The benchmark of a call without storage."""
