"""Errands: asked for often, waited for, and counted by a reaction."""
