"""The room that knows Beam: command line, recipes, plans, runs."""

import logging

# Beam warns at import that a client library for one cloud is not there, although nothing here uses it.
logging.getLogger().addFilter(lambda record: not record.getMessage().startswith("apitools not found"))
