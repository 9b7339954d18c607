"""The documents are tested: reference pages are what the code says, and what a page shows is what happens."""
