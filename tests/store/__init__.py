"""The role store: one process owns the file, the others write through it."""
