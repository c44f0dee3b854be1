"""The files of a model as they are sent to another computer, which knows the model by their digest."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..core.atomic_write import replacing
from ..core.errors import InputError
from ..core.plain_files import reading
from .bundle import model_path

BUNDLE = ("model.json", "weights.safetensors")


@dataclass(frozen=True)
class ModelFiles:
    """The content of the files of a model, by name: the two of a bundle, or a published checkpoint.

    Nothing here imports torch.
    """

    content: dict[str, bytes]

    @classmethod
    def read(cls, source: str | os.PathLike) -> "ModelFiles":
        """Return the files of the model that `bundle.load_model` loads from a source.

        Raises:
            InputError: a file is missing or cannot be read.
        """
        path = model_path(source)
        paths = [path] if path.suffix.lower() in (".pth", ".pt") else [path / name for name in BUNDLE]
        content = {}
        for file in paths:
            with reading(file):
                content[file.name] = file.read_bytes()
        return cls(content)

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the names and the contents."""
        digest = hashlib.sha256()
        for name, content in sorted(self.content.items()):
            digest.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(content).digest())
        return digest.hexdigest()

    def write(self, folder: Path) -> None:
        """Write the files into a new folder."""
        folder.mkdir()
        for name, content in self.content.items():
            (folder / Path(name).name).write_bytes(content)

    def source_in(self, folder: Path) -> str:
        """Return the source of the model once its files are in a folder."""
        return str(folder if BUNDLE[0] in self.content else folder / next(iter(self.content)))


@dataclass(frozen=True)
class ModelStore:
    """A folder that keeps the models that were used last, each by its digest.

    Attributes:
        folder: the folder, which is made when it is needed.
        most: the number of models that are kept.
    """

    folder: Path
    most: int = 10

    def find(self, digest: str) -> str | None:
        """Return the source of a model; None where it is not here, or its files have changed."""
        place = self._place(digest)
        if not place.is_dir():
            return None
        files = ModelFiles({path.name: path.read_bytes() for path in place.iterdir()})
        if files.digest != digest:
            shutil.rmtree(place)
            return None
        os.utime(place)  # the models that were used last are kept
        return files.source_in(place)

    def add(self, digest: str, content: dict[str, bytes]) -> str:
        """Keep the files of a model that has arrived, and return its source.

        Raises:
            InputError: they are not the files with this digest.
            OSError: they cannot be written.
        """
        files = ModelFiles(content)
        if files.digest != digest:
            raise InputError("the model was changed on its way: start again")
        self.folder.mkdir(parents=True, exist_ok=True)
        models = (path for path in self.folder.iterdir() if not path.name.startswith("."))
        known = sorted(models, key=lambda path: path.stat().st_mtime)
        for old in known[: max(len(known) + 1 - self.most, 0)]:
            shutil.rmtree(old, ignore_errors=True)  # Windows keeps one that a run reads
        place = self._place(digest)
        with replacing(place) as partial:
            files.write(partial)
        return files.source_in(place)

    def _place(self, digest: str) -> Path:
        return self.folder / digest
