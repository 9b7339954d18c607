"""What a careful user would write today without us: the left-hand end of every scale."""
