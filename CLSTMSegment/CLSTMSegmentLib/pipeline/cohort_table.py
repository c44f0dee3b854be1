"""The sequences of a cohort: read from a table or a folder, each with the places of its results."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import InputError
from ..core.plain_files import check_path, check_plain_file, file_digest, read_text, readable, resolved
from ..core.structure import Segment
from ..engine.settings import RunSettings
from ..io.input_files import file_stem
from ..io.sequence_files import files_of_sequence, read_sequence
from ..report.cohort_summary import CohortRow
from .fingerprints import is_truncated, sequence_digest, settings_digest
from .found_sequences import FoundSequence, FoundSequences, find_sequences, what_is_there
from .result_files import Outputs
from .run_result import RunResult

MORE = object()
"""Key of the cells of a row that are beyond the last column."""


@dataclass(frozen=True)
class CohortSequence:
    """One sequence of a cohort.

    Attributes:
        name: unique in the cohort; its results have this name.
        input: the file or folder, as an absolute path that every worker can read.
        outputs: labels and report, as absolute paths that every worker can write.
        series: number of its series in a DICOM folder; None for the only one.
        what: what this series is, where it was found in a folder.
        interrupted: whether a worker of this cohort was killed while it worked on the sequence. It may have put the
            labels in their place, but not yet the report.
    """

    name: str
    input: Path
    outputs: Outputs
    series: int | None = None
    what: str = ""
    interrupted: bool = False

    @property
    def has_results(self) -> bool:
        """Return whether an earlier run wrote its results: the report is written last."""
        return self.outputs.labels.exists() and self.outputs.report.exists()

    def files(self) -> list[Path]:
        """Return the files from which it is read."""
        return files_of_sequence(self.input)

    def own_settings(self, settings: RunSettings) -> RunSettings:
        """Return the settings of the run of this sequence, from those of all runs."""
        return replace(settings, series=self.series)

    def check_series(self) -> None:
        """Raise an InputError if its series has another number now, as when images have come since it was found."""
        if self.series is not None and self.what and what_is_there(self.input, self.series) != self.what:
            raise InputError(
                f"{self.input}: its series have changed since the cohort began: series {self.series} is no longer "
                f"{self.what}; run again with --resume once all images are there"
            )

    def check_labels(self) -> None:
        """Raise an InputError if there are labels without a report, which would say whether they were edited."""
        if self.outputs.labels.exists() and not self.outputs.report.exists() and not self.interrupted:
            raise InputError(
                f"{self.outputs.labels} exists, but not its report {self.outputs.report.name}, so that nobody knows "
                "whether its labels were edited: move it, or choose another folder"
            )

    def row(self, result: RunResult) -> CohortRow:
        """Return the row of this sequence in the summary."""
        return CohortRow(self.name, self.input, result.curve, result.seconds, warnings=tuple(result.report.warnings))

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
        self.check_labels()
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
        if made_from.settings != settings_digest(self.own_settings(settings)):
            raise InputError(f"{path} is a result of a run with other settings: {advice}")
        if not labels.exists():
            return None
        check_plain_file(labels)
        if file_digest(labels) != made_from.labels:
            if _digest_of(labels) is not None or not is_truncated(labels, made_from):
                raise InputError(f"{labels} was changed after the run: move it, or choose another folder")
            return None
        return self.row(result) if _digest_of(self.input, self.series) == made_from.input else None

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
        found: what was found in the folder that names the sequences, a line each.
    """

    source: Path
    folder: Path
    sequences: list[CohortSequence]
    found: tuple[str, ...] = ()

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
        source: CSV table with a column `input` (paths, relative to the table's folder), perhaps a column `name`, and
            perhaps a column `series` (numbers, for DICOM folders with several); or a folder, see `found_sequences`.
        folder: folder of the results.

    Raises:
        InputError: the source cannot be read, names no sequences, or gives two of them the same name.
    """
    with readable(source):
        found = find_sequences(source, folder) if source.is_dir() else None
    named = _sequences_of_table(source) if found is None else found.sequences
    if not named:
        raise InputError(f"{source} names no sequences")
    names = [name for name, _ in named]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise InputError(f"{source} has two sequences of the name {duplicates[0]}: give names in a column `name`")
    for name in names:
        check_path(Path(name))
    wrong = [name for name in names if Path(name).name != name]
    if wrong:
        raise InputError(f"{source}: the name {wrong[0]!r} cannot be the name of a file")
    absolute = resolved(folder)
    return Cohort(
        source,
        folder,
        [
            CohortSequence(
                name,
                resolved(one.path),
                Outputs(labels=absolute / f"{name}.seq.nrrd", report=absolute / f"{name}.json"),
                one.series,
                one.what,
            )
            for name, one in named
        ],
        () if found is None else _lines(found),
    )


def _digest_of(sequence: Path, series: int | None = None) -> str | None:
    """Return the digest of a sequence file; None where it cannot be read."""
    try:
        return sequence_digest(read_sequence(sequence, series))
    except InputError:
        return None


def _lines(found: FoundSequences) -> tuple[str, ...]:
    """Return what was found, as lines for people."""
    count = len(found.sequences)
    return (
        f"{found.source} holds {count} sequence{'' if count == 1 else 's'}:",
        *(f"  {name}: {one.what}" for name, one in found.sequences),
        *(f"  left out: {text}" for text in found.left_out),
    )


def _sequences_of_table(table: Path) -> list[tuple[str, FoundSequence]]:
    """Return the name and the sequence of each row."""
    check_plain_file(table)
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey=MORE)
            titles = reader.fieldnames = [title.strip().lower() for title in reader.fieldnames or []]
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} cannot be read as a table ({error})") from error
    if rows and "input" not in titles:
        raise InputError(f"{table} has no column `input`: its columns are {', '.join(titles)}")
    twice = [title for title in titles if title and titles.count(title) > 1]
    if twice:
        raise InputError(f"{table} has two columns `{twice[0]}`: give each column a title of its own")
    named = []
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
        series = row.get("series") or None
        if series is not None and not (series.strip().isdecimal() and 0 < float(series) < 1e9):
            raise InputError(f"{table}: row {number} below the titles has the series {series!r}: give a number from 1")
        sequence = FoundSequence(path, None if series is None else int(series))
        named.append((row.get("name") or file_stem(path), sequence))
    return named
