"""Decide which images people label, when to train, and which images the machine labels.

Importing this package imports neither torch nor anything of the web.
"""
