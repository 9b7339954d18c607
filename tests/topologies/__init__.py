"""What is told of one process is told of a fleet, and nobody hears a difference."""
