"""Quotas: the smallest module that lives beside a neighbour. It asks counters, hears from them, and keeps its own rows."""
