"""The gRPC edge: what is promised in the `.proto`, and what any client of one sees."""
