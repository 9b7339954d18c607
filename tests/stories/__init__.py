"""Whole stories of the counter module, told through its front door."""
