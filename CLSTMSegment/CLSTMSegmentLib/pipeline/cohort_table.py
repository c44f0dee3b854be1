"""The sequences of a cohort: read from a table or a folder, each with the places of its results."""

import csv
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from ..core.plain_files import check_path, check_plain_file, file_digest, read_text
from ..core.structure import Segment
from ..engine.settings import RunSettings
from ..io.sequence_files import IMAGE_SUFFIXES, files_of_sequence, read_sequence
from ..report.cohort_summary import CohortRow
from .fingerprints import is_truncated, sequence_digest, settings_digest
from .output_paths import earlier_results
from .run_result import RunResult
from .segment_to_files import Outputs

MORE = object()
"""Key of the cells of a row that are beyond the last column."""


@dataclass(frozen=True)
class CohortSequence:
    """One sequence of a cohort.

    Attributes:
        name: unique in the cohort; its results have this name.
        input: the file or folder, as an absolute path that every worker can read.
        outputs: labels and report, as absolute paths that every worker can write.
    """

    name: str
    input: Path
    outputs: Outputs

    @property
    def has_results(self) -> bool:
        """Return whether an earlier run wrote its results: the report is written last."""
        return self.outputs.labels.exists() and self.outputs.report.exists()

    def files(self) -> list[Path]:
        """Return the files from which it is read."""
        return files_of_sequence(self.input, earlier_results(self.input))

    def row(self, result: RunResult) -> CohortRow:
        """Return the row of this sequence in the summary."""
        return CohortRow(self.name, self.input, result.curve, result.seconds)

    def finished_row(self, segments: tuple[Segment, ...], digest: str, settings: RunSettings) -> CohortRow | None:
        """Return the row of this sequence from the results that an earlier run wrote.

        Args:
            segments: segments of the model.
            digest: see `model.bundle.model_digest`.
            settings: settings of the run.

        Returns:
            None where there are none, the input has changed since, or the file of the labels is truncated.

        Raises:
            InputError: the report is damaged, the results come from another model or from other settings, the labels
                or the report were edited, or one of the two is a file of somebody else.
        """
        path, labels = self.outputs.report, self.outputs.labels
        if labels.exists() and not path.exists():
            raise InputError(
                f"{labels} exists, but not its report {path.name}, so that nobody knows whether its labels were "
                "edited: move it, or choose another folder"
            )
        if not path.exists():
            return None
        advice = "choose another folder, or move it"
        try:
            result = RunResult.from_json(read_text(path), segments)
        except InputError as error:
            raise InputError(f"{path} cannot be used ({error}): {advice}") from error
        made_from = result.fingerprints
        if made_from is None:
            raise InputError(f"{path} does not say what it was made from: {advice}")
        if made_from.model != digest:
            raise InputError(
                f"{path} is a result of another model ({result.model}, version {result.version}): {advice}"
            )
        if made_from.settings != settings_digest(settings):
            raise InputError(f"{path} is a result of a run with other settings: {advice}")
        if not labels.exists():
            return None
        check_plain_file(labels)
        if file_digest(labels) != made_from.labels:
            if _digest_of(labels) is not None or not is_truncated(labels, made_from):
                raise InputError(f"{labels} was changed after the run: move it, or choose another folder")
            return None
        return self.row(result) if _digest_of(self.input) == made_from.input else None

    def failed_row(self, error: str) -> CohortRow:
        """Return the row of this sequence after it failed."""
        return CohortRow(self.name, self.input, None, error=error)


@dataclass(frozen=True)
class Cohort:
    """Sequences to segment, and the folder of their results.

    Attributes:
        source: the table or folder that names the sequences.
        folder: folder of the results.
        sequences: the sequences.
    """

    source: Path
    folder: Path
    sequences: list[CohortSequence]

    @property
    def summary(self) -> Path:
        """Return the path of the table with a row for each sequence."""
        return self.folder / "summary.csv"

    @property
    def overview(self) -> Path:
        """Return the path of the picture with the curves of all sequences."""
        return self.folder / "overview.png"

    def outputs(self) -> list[Path]:
        """Return all files that the cohort writes."""
        return [*self.outputs_of_sequences(), self.summary, self.overview]

    def outputs_of_sequences(self) -> list[Path]:
        """Return the labels and reports of all sequences."""
        return [path for sequence in self.sequences for path in sequence.outputs.paths()]


def read_cohort(source: Path, folder: Path) -> Cohort:
    """Read the sequences of a table or a folder.

    Args:
        source: CSV table with a column `input` (paths, relative to the table's folder) and perhaps a column `name`,
            or a folder of sequence files.
        folder: folder of the results.

    Raises:
        InputError: the source cannot be read, names no sequences, or gives two of them the same name.
    """
    inputs = _inputs_of_folder(source) if source.is_dir() else _inputs_of_table(source)
    if not inputs:
        raise InputError(f"{source} names no sequences")
    names = [name for name, _ in inputs]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise InputError(f"{source} has two sequences of the name {duplicates[0]}: give names in a column `name`")
    for name in names:
        check_path(Path(name))
    wrong = [name for name in names if Path(name).name != name]
    if wrong:
        raise InputError(f"{source}: the name {wrong[0]!r} cannot be the name of a file")
    absolute = folder.resolve()
    return Cohort(
        source,
        folder,
        [
            CohortSequence(
                name,
                path.resolve(),
                Outputs(labels=absolute / f"{name}.seq.nrrd", report=absolute / f"{name}.json"),
            )
            for name, path in inputs
        ],
    )


def _digest_of(sequence: Path) -> str | None:
    """Return the digest of a sequence file; None where it cannot be read."""
    try:
        return sequence_digest(read_sequence(sequence, None, earlier_results(sequence)))
    except InputError:
        return None


def _inputs_of_folder(folder: Path) -> list[tuple[str, Path]]:
    files = sorted(path for path in folder.iterdir() if path.name.lower().endswith(IMAGE_SUFFIXES))
    return [(_stem(path), path) for path in files]


def _inputs_of_table(table: Path) -> list[tuple[str, Path]]:
    check_plain_file(table)
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey=MORE)
            rows, titles = list(reader), reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} cannot be read as a table ({error})") from error
    if rows and "input" not in titles:
        raise InputError(f"{table} has no column `input`: its columns are {', '.join(titles)}")
    twice = [title for title in titles if title and titles.count(title) > 1]
    if twice:
        raise InputError(f"{table} has two columns `{twice[0]}`: give each column a title of its own")
    inputs = []
    for number, row in enumerate(rows, 1):
        if any(row.get(MORE, ())):
            raise InputError(
                f"{table}: row {number} below the titles has more cells than there are columns: put quotation marks "
                "around a path or name with a comma"
            )
        if not row["input"]:
            raise InputError(f"{table}: row {number} below the titles has no input")
        path = table.parent / row["input"]
        check_path(path)
        inputs.append((row.get("name") or _stem(path), path))
    return inputs


def _stem(path: Path) -> str:
    """Return a file's name without its suffixes; other dots stay."""
    name = path.name
    for suffix in (".seq.nrrd", *sorted(IMAGE_SUFFIXES, key=len, reverse=True)):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name
