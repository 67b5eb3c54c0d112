"""What happens to a document: readers of the seven sources, cleaners, filters, duplicate rules."""

from classifiers import kernel_cache as kernel_cache
