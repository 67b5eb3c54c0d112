"""`fetch-github`: the rows of Google BigQuery's copy of GitHub, joined, as input files of a run.

In: the public tables `bigquery-public-data.github_repos` (contents, files, licenses), read by the query below
through Beam's `ReadFromBigQuery` (the extra `gcp`). Out: `github-00000-of-01024.parquet` and so on, which the
reader of the source takes as they are. LLaMA used this data set and kept the projects under Apache, BSD and
MIT licences (Touvron et al. 2023, section 2.1). A blob goes to the file that a hash of its id names and is
sorted there by id, so equal rows give equal bytes, whatever order the service hands them out in.

The query chooses one place of a blob as the reader does: under a permissive licence, then with the name of a
source file, then the smallest (repository, path).
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import click
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline import files
from pipeline.engine import LOCAL_RUNNER, check_flags
from pipeline.settings import UsageError
from stages.code_files import SOURCE_NAMES, SOURCE_SUFFIXES
from stages.code_licenses import PERMISSIVE_LICENSES
from stages.sources.license_texts import SPDX_BY_GITHUB_KEY

TABLES = "bigquery-public-data.github_repos"
BUCKETS = 1_024  # ours: the permissive part has some 10**11 bytes, and a file is sorted in memory
ROWS_PER_GROUP = 1_000  # ours: at 1 MiB a blob at most, a row group unpacks to less than the reader's cap

QUERY = """\
WITH permissive AS (
  SELECT repo_name, MIN(license) AS license
  FROM `{tables}.licenses`
  WHERE license IN ({licenses})
  GROUP BY repo_name
),
places AS (
  SELECT
    files.id AS id,
    files.repo_name AS repo_name,
    files.path AS path,
    files.ref AS ref,
    permissive.license AS license,
    ROW_NUMBER() OVER (
      PARTITION BY files.id
      ORDER BY
        CASE WHEN REGEXP_CONTAINS(files.path, '{source_names}') THEN 0 ELSE 1 END,
        files.repo_name, files.path, files.ref
    ) AS place_rank
  FROM `{tables}.files` AS files
  INNER JOIN permissive ON permissive.repo_name = files.repo_name
)
SELECT
  contents.id AS id,
  contents.content AS content,
  contents.copies AS copies,
  places.repo_name AS repo_name,
  places.path AS path,
  places.ref AS ref,
  places.license AS license
FROM `{tables}.contents` AS contents
INNER JOIN places ON places.id = contents.id
WHERE places.place_rank = 1 AND contents.content IS NOT NULL AND NOT contents.binary
"""

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("content", pa.string()),
        pa.field("copies", pa.int64()),
        pa.field("repo_name", pa.string()),
        pa.field("path", pa.string()),
        pa.field("ref", pa.string()),
        pa.field("license", pa.string()),
    ]
)
Row = Mapping[str, Any]


def github_query(tables: str = TABLES) -> str:
    """The query in BigQuery's standard SQL, over the tables of another data set for a copy or a sample."""
    licenses = sorted(key for key, spdx in SPDX_BY_GITHUB_KEY.items() if spdx in PERMISSIVE_LICENSES)
    suffixes = "|".join(sorted(suffix[1:].replace("+", "[+]") for suffix in SOURCE_SUFFIXES))
    names = "|".join(sorted(SOURCE_NAMES))
    return QUERY.format(
        tables=tables,
        licenses=", ".join(f"'{key}'" for key in licenses),
        source_names=f"(^|/)({names})$|[.]({suffixes}|{names})$",
    )


def read_from_bigquery(query: str, temporary: str) -> beam.PTransform[Any, Any]:
    """Beam's source for a query. ValueError when the extra `gcp` is not installed."""
    if importlib.util.find_spec("apitools") is None:
        raise ValueError("fetch-github needs Google's clients: pip install 'llama-corpus[gcp]'")
    from apache_beam.io.gcp import bigquery  # it logs a warning when the clients are not there

    return bigquery.ReadFromBigQuery(query=query, use_standard_sql=True, gcs_location=temporary)


def bucket_of(blob: str, buckets: int) -> int:
    """Number of the file that a blob goes to."""
    return int(xxhash.xxh3_64_intdigest(blob.encode())) % buckets


class WriteBucket(beam.DoFn):
    """Writes the rows of one file, sorted; its output is (path, rows)."""

    def __init__(self, out: str, buckets: int) -> None:
        self._out, self._buckets = out, buckets

    def process(self, bucket: tuple[int, Iterable[Row]]) -> Iterator[tuple[str, int]]:
        number, rows = bucket
        ordered = sorted(rows, key=lambda row: (row["id"], row["repo_name"], row["path"]))
        path = files.join(self._out, f"github-{number:05d}-of-{self._buckets:05d}.parquet")
        with (
            files.create(path) as stream,
            pq.ParquetWriter(pa.PythonFile(stream, "w"), SCHEMA, compression="zstd") as writer,
        ):
            for first in range(0, len(ordered), ROWS_PER_GROUP):
                group = [
                    {name: row.get(name) for name in SCHEMA.names}
                    for row in ordered[first : first + ROWS_PER_GROUP]
                ]
                writer.write_table(pa.Table.from_pylist(group, schema=SCHEMA))
        yield path, len(ordered)


def fetch(source: beam.PTransform[Any, Any], out: str, buckets: int, flags: Iterable[str]) -> None:
    """Runs the pipeline from a source of rows to the files of `out`, and waits for it."""
    with beam.Pipeline(options=PipelineOptions(list(flags))) as pipeline:
        (
            pipeline
            | "Read" >> source
            | "Bucket" >> beam.Map(lambda row: (bucket_of(row["id"], buckets), dict(row)))
            | "Gather" >> beam.GroupByKey()
            | "Write" >> beam.ParDo(WriteBucket(out, buckets))
        )


@click.command("fetch-github")
@click.option("--project", help="Google Cloud project that pays for the query.")
@click.option(
    "--temp", "temporary", metavar="gs://BUCKET/FOLDER", help="For what BigQuery exports on the way."
)
@click.option("--out", metavar="FOLDER", help="Folder for the files, here or in an object store.")
@click.option(
    "--buckets", type=click.IntRange(1), default=BUCKETS, show_default=True, help="Number of files."
)
@click.option("--tables", default=TABLES, show_default=True, help="Data set with the tables.")
@click.option("--show-query", is_flag=True, help="Print the query and end.")
@click.argument("beam_flags", nargs=-1, type=click.UNPROCESSED)
def command(
    project: str | None,
    temporary: str | None,
    out: str | None,
    buckets: int,
    tables: str,
    show_query: bool,
    beam_flags: tuple[str, ...],
) -> None:
    """Fetch the permissively licensed part of BigQuery's GitHub tables as input files of a run.

    Beam's own flags go after `--`, e.g. `-- --runner=DataflowRunner --region=us-central1`.
    """
    if not re.fullmatch(r"[\w.:-]+", tables):
        raise UsageError(f"--tables is {tables!r}; write PROJECT.DATASET")
    query = github_query(tables)
    if show_query:
        print(query, end="")
        return
    missing = [
        name for name, given in (("--project", project), ("--temp", temporary), ("--out", out)) if not given
    ]
    if missing or project is None or temporary is None or out is None:
        raise UsageError(
            f"fetch-github needs {', '.join(missing)}; or --show-query to run the query yourself"
        )
    if not temporary.startswith("gs://"):
        raise UsageError(f"--temp is {temporary!r}; BigQuery exports to Google Cloud Storage only: gs://...")
    if there := files.match(out, "github-*.parquet"):
        raise UsageError(
            f"{there[0]} is there already, and files of two fetches do not mix; name another --out"
        )
    flags = [*beam_flags, f"--project={project}", f"--temp_location={temporary}"]
    if not any(flag.startswith("--runner") for flag in flags):
        flags.insert(0, LOCAL_RUNNER)
    check_flags(flags)
    fetch(read_from_bigquery(query, temporary), out, buckets, flags)
    print(f"{out}: {len(files.match(out, 'github-*.parquet'))} files; name them in sources.github.inputs")
