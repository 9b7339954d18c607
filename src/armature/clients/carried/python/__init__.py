"""The part of a Python client that no contract changes. It imports nothing of Armature: it must run without it."""
