"""Database backend: Django's SQLite, with open connections kept for the next request."""
