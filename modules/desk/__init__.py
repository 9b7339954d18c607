"""The desk: a module that owns nothing and puts the answers of others together for those who look at them."""
