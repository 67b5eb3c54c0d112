"""The real pipeline with a recipe of its own for CommonCrawl, cut down to what a peer does too.

    python benchmarks/run_recipe.py CONFIG RUN RECIPE

Everything is as `llama-corpus run` does it, Beam and worker process included; only the table of recipes has an entry
more, one of `RECIPES` here.
"""

from __future__ import annotations

import argparse
from unittest.mock import patch

from crawl_run import last_step

from pipeline import recipes
from pipeline.recipes import LLAMA1, Recipe, SourceRecipe
from pipeline.run import Options, run_pipeline
from pipeline.settings import load_settings
from stages.language import KeepLanguage
from stages.sources.common_crawl import CommonCrawl

# Read the pages, take their text, keep those in the configuration's languages.
READ_AND_LANGUAGE: Recipe = {
    **LLAMA1,
    "commoncrawl": SourceRecipe(CommonCrawl(), (KeepLanguage(languages=("en",)),)),
}
RECIPES = {"read_and_language": READ_AND_LANGUAGE}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("run")
    parser.add_argument("recipe", choices=list(RECIPES))
    given = parser.parse_args()
    with patch.dict(recipes.RECIPES, RECIPES):
        settings = load_settings(given.config, [f"recipe={given.recipe}"])
        run_pipeline(settings, given.run, Options(workers=1, only=last_step(settings), quiet=True))


if __name__ == "__main__":
    main()
