"""Outbound calls by httpx2 and its core."""
