"""Main content of an HTML page: text blocks found in one pass over its bytes, kept or dropped by two linear scores."""
