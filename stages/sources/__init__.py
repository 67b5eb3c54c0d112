"""Readers: the true containers of the seven sources to documents."""
