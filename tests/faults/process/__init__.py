"""A server in a process of its own, callers in another one, and judges who believe neither."""
