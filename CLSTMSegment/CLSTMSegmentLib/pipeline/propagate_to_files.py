"""One propagation from a sequence file and its annotated frames to result files: labels and volumes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from ..core.progress import Progress
from ..core.structure import Segment, SegmentSet, named_segments
from ..core.volume_curve import VolumeCurve
from ..engine.quality import measure_frame
from ..io.sequence_files import files_of_sequence, read_sequence
from ..propagation.propagator import Propagator
from ..report.volumes_csv import write_volumes
from ..teaching.annotation_files import files_of_annotations, read_annotated_frame, read_annotations
from ..teaching.label_names import label_names
from .output_paths import check_outputs
from .result_files import Outputs
from .writers import check_storable, check_suffix, open_writer, storing


@dataclass(frozen=True)
class PropagationSettings:
    """What is propagated.

    Attributes:
        sequence: file or folder that `read_sequence` accepts.
        annotations: annotated frames, as `read_annotations` accepts them, or a label image of one frame.
        frame: number of the annotated frame, if `annotations` is a label image of one frame; else None.
        cyclic: whether the first frame follows the last one, as in a heartbeat.
        segment_names: names of the labels 1, 2, ...; for None see `label_names`.
    """

    sequence: Path
    annotations: Path
    frame: int | None = None
    cyclic: bool = False
    segment_names: tuple[str, ...] | None = None


def propagate_to_files(
    settings: PropagationSettings,
    labels: Path,
    volumes: Path | None,
    on_warning: Callable[[str], None],
    progress: Callable[[Progress], None] | None = None,
) -> VolumeCurve:
    """Propagate the annotated frames of a sequence to all of its frames, and write the labels of all frames.

    Args:
        settings: what is propagated.
        labels: file of the labels, in the format that its suffix names.
        volumes: CSV file of segment volumes over time; None for none.
        on_warning: called with texts for people about the input and the output.
        progress: see `Propagator.run`.

    Returns:
        The volumes with the quality flags.

    Raises:
        InputError: a sequence, annotations or places that cannot be used; nothing is written then.
        StorageError: a result cannot be stored.
    """
    check_suffix(labels)
    outputs = Outputs(labels, volumes=volumes)
    inputs = [*files_of_sequence(settings.sequence), *files_of_annotations(settings.annotations)]
    check_outputs(outputs.paths(), inputs)
    frames = read_sequence(settings.sequence)
    for warning in (*frames.warnings, *check_storable(labels, frames, range(len(frames)))):
        on_warning(warning)
    if settings.frame is None:
        annotations = read_annotations(settings.annotations, frames)
    else:
        annotations = read_annotated_frame(settings.annotations, settings.frame, frames)
    propagator = Propagator(frames, annotations, settings.cyclic)
    segments = SegmentSet("propagated", _segments(settings, propagator.greatest_label))
    curve = VolumeCurve(segments.segments, frames.index)
    with outputs.replaced_at_the_end() as partial:
        writer = open_writer(partial.labels, segments, frames.index)
        try:
            for propagated in propagator.run(progress):
                writer.add(propagated.result)
                measured, flags = measure_frame(propagated.result, segments.segments)
                curve.add(measured, [*flags, *propagated.flags()])
            writer.finish()
        finally:
            writer.release()
        if partial.volumes is not None:
            with storing(partial.volumes):
                write_volumes(partial.volumes, curve)
    return curve


def _segments(settings: PropagationSettings, labels: int) -> tuple[Segment, ...]:
    """Return a segment for each label from 1 to the greatest one that is annotated."""
    names = label_names(files_of_annotations(settings.annotations), labels, settings.segment_names)
    if len(names) < labels:
        raise InputError(f"the annotations have labels up to {labels}, but there are {len(names)} names of segments")
    return named_segments(names)
