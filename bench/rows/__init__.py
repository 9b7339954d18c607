"""The rows: one claim each, one function each, `Effort` in and `Result` out."""
