"""SHA-256 of what a result was made from, and of the result: a cohort that is resumed keeps only what still holds."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.sequence import Frame, SequenceIndex
from ..engine.settings import RunSettings
from ..io.file_sequence import FileSequence


@dataclass(frozen=True)
class Fingerprints:
    """What a result was made from, and its labels; each one is a SHA-256.

    Attributes:
        input: index, geometry and voxels of the whole sequence, in whatever file they are.
        model: see `model.bundle.model_digest`.
        settings: settings of the run, except the model, the device and the limit of RAM.
        labels: the file of the labels.
        size_of_labels: number of bytes of that file.
        begins_of_labels: see `begins_of_file`; they tell truncated labels from a file of somebody else.
    """

    input: str
    model: str
    settings: str
    labels: str
    size_of_labels: int = 0
    begins_of_labels: tuple[str, ...] = ()


class SequenceDigest:
    """The SHA-256 of a sequence: its index, and its frames, which are added in their order."""

    def __init__(self, index: SequenceIndex):
        self._digest = hashlib.sha256(repr((index.name, index.unit, index.type)).encode())

    def add(self, frame: Frame) -> None:
        """Add the next frame."""
        image = frame.image
        geometry = (image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
        self._digest.update(repr((frame.index_value, image.GetPixelIDTypeAsString(), geometry)).encode())
        if image.GetNumberOfPixels():
            self._digest.update(np.ascontiguousarray(sitk.GetArrayViewFromImage(image)).data)

    def hexdigest(self) -> str:
        """Return the SHA-256 of the frames so far."""
        return self._digest.hexdigest()


def sequence_digest(frames: FileSequence) -> str:
    """Return the SHA-256 of a sequence.

    Raises:
        InputError: a frame cannot be read.
    """
    digest = SequenceDigest(frames.index)
    for frame in frames:
        digest.add(frame)
    return digest.hexdigest()


def settings_digest(settings: RunSettings) -> str:
    """Return the SHA-256 of the settings, except those that say where and with how much RAM a model runs."""
    content = replace(settings, model="any", device="auto", ram_gb=None)
    return hashlib.sha256(content.to_json().encode()).hexdigest()


def begins_of_file(path: Path) -> tuple[str, ...]:
    """Return the SHA-256 of the first byte of a file, of its first 2 bytes, 4 bytes, and so on.

    Raises:
        OSError: it cannot be read.
    """
    digest, digests, length = hashlib.sha256(), [], 0
    with path.open("rb") as file:
        while chunk := file.read(max(1, min(length, 2**20))):
            digest.update(chunk)
            length += len(chunk)
            if length & (length - 1) == 0:
                digests.append(digest.hexdigest())
    return tuple(digests)


def is_truncated(labels: Path, made_from: Fingerprints) -> bool:
    """Return whether a file is the begin of the labels that a run wrote; more than half of its bytes are compared.

    Raises:
        OSError: it cannot be read.
    """
    begins = begins_of_file(labels)
    return labels.stat().st_size < made_from.size_of_labels and begins == made_from.begins_of_labels[: len(begins)]
