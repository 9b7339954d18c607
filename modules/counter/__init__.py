"""Counters: the smallest complete module, and the one to copy."""
