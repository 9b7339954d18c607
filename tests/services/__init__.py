"""Services with databases of their own: what crosses from one log to another is neither lost nor doubled, whoever was away."""
