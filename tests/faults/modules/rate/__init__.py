"""Rates: a query that asks a host outside, which may be frozen or gone."""
