"""NATS: core subjects for signals, JetStream for events. Only `door.py` may be imported by name; the rest needs the extra."""
