"""Claims about speed, each one a measurement that anybody can repeat: ours, a peer and the limit, side by side in one run."""
