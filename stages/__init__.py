"""What happens to a document: readers of the seven sources, cleaners, filters, duplicate rules."""
