"""Armature: the public face."""
