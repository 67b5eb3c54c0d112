"""Models over text: language id, n-gram language models, the Wikipedia-reference classifier."""

from classifiers import kernel_cache as kernel_cache
