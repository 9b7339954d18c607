"""One file, one writer: the database port on SQLite."""
