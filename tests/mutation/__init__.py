"""Defects, sown one at a time into a copy of the source: the test that guards against each must turn red for its own reason."""
