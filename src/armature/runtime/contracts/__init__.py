"""What the system promises to the outside, as documents: derived from the contracts, committed, compared and judged."""
