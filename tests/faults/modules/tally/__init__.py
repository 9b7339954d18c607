"""A tally: a reaction of its own module counts what counters say, one row for each time it ran."""
