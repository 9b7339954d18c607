"""A fleet of writers on one log: the database port on PostgreSQL."""
