"""The database port over a local socket: one process owns the SQLite file and writes, the others read it themselves."""
