"""One run from a sequence file to result files: labels, DICOM SEG, volumes, preview and report."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import SimpleITK as sitk

from ..core.errors import InputError
from ..core.memory import peak_memory
from ..core.plain_files import file_digest
from ..core.progress import Progress
from ..core.sequence import Frame, SegmentedFrame
from ..core.volume_curve import VolumeCurve
from ..engine.background_import import engine_imported_meanwhile
from ..engine.first_look import FirstLook
from ..engine.quality import measure_frame
from ..engine.settings import RunSettings
from ..io.file_sequence import FileSequence
from ..io.sequence_files import files_of_sequence, read_sequence
from ..model.bundle import load_model, model_digest
from ..report.volumes_csv import write_volumes
from .fingerprints import Fingerprints, SequenceDigest, begins_of_file, settings_digest
from .output_paths import check_outputs
from .result_files import Outputs
from .run_result import RunResult
from .writers import LabelWriter, check_storable, check_suffix, open_writer, storing

if TYPE_CHECKING:
    from ..engine.segmenter import Segmenter


def segment_to_files(
    settings: RunSettings,
    sequence: Path,
    outputs: Outputs,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    on_frame: Callable[[SegmentedFrame], None] | None = None,
) -> RunResult:
    """Segment a sequence file and write the results; a run that fails writes nothing.

    Args:
        settings: settings of the run.
        sequence: file or folder that `read_sequence` accepts.
        outputs: files to write. Files that exist already are replaced, but they stay when the run fails.
        progress: called before every tile.
        cancelled: asked before every tile; once it returns True, the run ends with `Cancelled`.
        on_frame: called with every finished frame.

    Raises:
        InputError: settings, a sequence or places that cannot be used.
        StorageError: a result cannot be stored, for instance because the disk is full.
        MemoryError: not even the smallest tile fits.
        Cancelled: see `cancelled`.
    """
    check_suffix(outputs.labels)
    check_outputs(outputs.paths(), files_of_sequence(sequence), [settings.model])
    began = time.perf_counter()
    frames = read_sequence(sequence, settings.series)
    numbers = settings.frame_numbers(len(frames))
    warnings = [*frames.warnings, *check_storable(outputs.labels, frames, numbers)]
    model = load_model(settings.model)
    digest = SequenceDigest(frames.index)

    def read(number: int) -> Frame:
        frame = frames[number]
        if outputs.report is not None:
            digest.add(frame)
        return frame

    look = FirstLook(model.intensity, model.geometry, range(len(frames)), read)
    with engine_imported_meanwhile() as imported:
        if model.intensity.over == "sequence":
            look.go_on(enough=imported)  # no longer: devices and weights that cannot be used are to be told at once
        read_s = time.perf_counter() - began
    from ..engine.segmenter import Segmenter

    segmenter = Segmenter(model, settings)
    segmenter.report.seconds["read"] += read_s
    for warning in warnings:
        segmenter.report.warn(warning)
    with outputs.replaced_at_the_end() as partial:
        if partial.report is not None:
            with segmenter.report.timed("read"):
                look.go_on()  # the digest is of all frames, before the run: what changes later is noticed
        curve = VolumeCurve(model.segments, frames.index)
        preview = None if partial.preview is None else _Preview(partial.preview, frames, numbers)
        with _open_writers(partial, segmenter, frames, numbers) as writers:
            for frame in segmenter.segment(frames, progress, cancelled, look):
                with segmenter.report.timed("write"):
                    for writer in writers:
                        writer.add(frame)
                    curve.add(*measure_frame(frame, model.segments))
                    if preview is not None:
                        preview.add(frame)
                    if on_frame is not None:
                        on_frame(frame)
            with segmenter.report.timed("write"):
                for writer in writers:
                    writer.finish()
        with segmenter.report.timed("write"):
            if partial.volumes is not None:
                with storing(partial.volumes):
                    write_volumes(partial.volumes, curve)
            if preview is not None:
                preview.write(curve, f"{sequence.name}: {model.title}")
        rule = segmenter.state_rule
        peak_mib = round(peak_memory() / 2**20)
        result = RunResult(model.name, model.version, curve, segmenter.report, str(rule), rule.warm_up_frames, peak_mib)
        if partial.report is not None:
            fingerprints = Fingerprints(
                digest.hexdigest(),
                model_digest(model),
                settings_digest(settings),
                file_digest(partial.labels),
                partial.labels.stat().st_size,
                begins_of_file(partial.labels),
            )
            result = replace(result, fingerprints=fingerprints)
            with storing(partial.report):
                partial.report.write_text(result.to_json(), encoding="utf-8")
    return result


@contextmanager
def _open_writers(
    partial: Outputs, segmenter: "Segmenter", frames: FileSequence, numbers: list[int]
) -> Iterator[list[LabelWriter]]:
    """Yield the writers of labels and DICOM SEG objects, and release their files at the end."""
    writers = [open_writer(partial.labels, segmenter.model, frames.index.of(numbers))]
    if partial.dicom_seg is not None:
        try:
            from .dicom_seg import DicomSegWriter, files_of
        except ImportError as error:
            raise InputError("DICOM SEG objects need highdicom: pip install highdicom") from error
        writer = DicomSegWriter(partial.dicom_seg, segmenter.model, files_of(frames, partial.dicom_seg))
        writer.check(numbers)
        writers.append(writer)
    try:
        yield writers
    finally:
        for writer in writers:
            writer.release()


class _Preview:
    """Keeps the frames that the preview shows, and draws it."""

    def __init__(self, path: Path, frames: FileSequence, numbers: list[int]):
        from ..report.preview import example_frames, write_preview  # with matplotlib, which is not installed everywhere

        self._draw = write_preview
        self._path = path
        self._frames = frames
        self._shown = example_frames(numbers)
        self._examples: list[tuple[sitk.Image, SegmentedFrame]] = []

    def add(self, frame: SegmentedFrame) -> None:
        if frame.number in self._shown:
            self._examples.append((self._frames[frame.number].image, frame))

    def write(self, curve: VolumeCurve, title: str) -> None:
        with storing(self._path):
            self._draw(self._path, curve, self._examples, title)
