"""Clients for those who call from outside: typed packages, made from the contracts and from nothing else.

What a package needs whatever the contract says (retries, pages, streams) lies in `carried/` as ordinary code and is copied.
What follows from the contract is read once into the values of `surface.py`, and written by one file for each language.
"""
