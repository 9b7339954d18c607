"""Redis: streams for events, channels for signals, keys for cache and limits. Only `door.py` may be imported by name."""
