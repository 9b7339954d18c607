"""The drill: a fresh installation under load whose parts are killed one after the other, and a count of what was lost."""
