"""A module with one lever for each thing that a policy governs."""
