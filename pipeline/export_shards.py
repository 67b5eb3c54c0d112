"""The command `export`: the token shards of a run in the formats of other trainers. Needs no Beam."""

from __future__ import annotations

from pathlib import Path

import click

from tokenizer.encoding import Encoder
from tokenizer.export_jsonl import export_jsonl
from tokenizer.export_megatron import export_megatron
from tokenizer.export_npy import export_npy
from tokenizer.order import SPLITS
from tokenizer.shard_index import INDEX_NAME, check_files, read_index
from tokenizer.shard_reader import TokenStream
from tokenizer.shards import check_compatible

FORMATS = ("megatron", "npy", "jsonl")


def export_run(run: Path, out: Path, to: str) -> list[Path]:
    """Writes SOURCE-SPLIT files of every source of a run into a folder and returns their paths.

    A split without documents gives none. ValueError when a shard is damaged, missing or of another tokenizer than the
    run's.
    """
    model = run / "tokenizer" / "tokenizer.model"
    folders = sorted(path.parent for path in (run / "shards").glob(f"*/{INDEX_NAME}"))
    if not folders or not model.is_file():
        raise ValueError(
            f"{run}: holds no shards with their tokenizer: run the pipeline up to its shards first"
        )
    encoder = Encoder(model)
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for folder in folders:
        index = read_index(folder)
        check_compatible(index.metadata(SPLITS[0]), encoder.identity, str(folder / INDEX_NAME))
        check_files(folder, index)
        for split in SPLITS:
            stream, stem = TokenStream(folder, index, split), out / f"{folder.name}-{split}"
            if not stream.documents:  # nothing can be mapped of an empty file
                continue
            if to == "jsonl":
                written += export_jsonl(stream, stem, encoder)
            else:
                written += (export_megatron if to == "megatron" else export_npy)(stream, stem)
    return written


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--to", required=True, type=click.Choice(FORMATS), help="What to write.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for the files."
)
def export(run: Path, to: str, out: Path) -> None:
    """Write the shards of RUN as Megatron .bin/.idx, flat .npy arrays, or JSON lines of text."""
    if out.resolve().is_relative_to(run.resolve()):
        raise click.UsageError(
            f"--out {out}: is within the run, which is not written to; choose another folder"
        )
    for path in export_run(run, out, to):
        print(path)
