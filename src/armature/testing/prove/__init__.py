"""The proof that a topology changes nothing: one recorded trace of commands, played on every topology, compared byte for byte."""
