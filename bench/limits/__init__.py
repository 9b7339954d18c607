"""The least code that keeps the same promises: the right-hand end of every scale."""
