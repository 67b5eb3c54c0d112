"""Models over text: language id, n-gram language models, the Wikipedia-reference classifier."""
