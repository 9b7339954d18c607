"""The pipeline and its parts, tried in a small project that does what modules should not."""
