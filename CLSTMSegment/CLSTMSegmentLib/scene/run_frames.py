"""The frames of a run in its input as it is now: the user may have removed or added frames since."""

from ..core.errors import InputError
from ..core.volume_curve import VolumeCurve
from .inputs import SequenceFrames, SequenceInput


class RunFrames:
    """Finds the frames of a run in its input by their index values.

    Attributes:
        source: the input of the run.
        curve: the volumes of the run, with the index of its frames.
    """

    source: SequenceInput | None
    curve: VolumeCurve

    @property
    def shownFrame(self) -> int | None:
        """Return the number that the frame at which the user looks had in the run; None for one that was not there.

        Frames go by their index values, because the user may have removed or added frames since.
        """
        number = self.source.seen.shownFrame
        value = self.source.sequenceNode.GetNthIndexValue(number) if number is not None else None
        return self.curve.index.values.index(value) if value in self.curve.index.values else None

    def showFrame(self, number: int) -> None:
        """Let the browser at which the user looks show the frame that had a number in the run.

        Raises:
            InputError: the frame was removed from the input since.
        """
        self.source.seen.showFrame(self.numberNow(number))

    def numberNow(self, number: int) -> int:
        """Return the number that a frame of the run has in the input now.

        Raises:
            InputError: it was removed from the input since.
        """
        value, values = self.curve.index.values[number], self._valuesNow()
        if value not in values:
            name = self.source.sequenceNode.GetName()
            raise InputError(f"the frame at {value} is in {name!r} no more: choose another one, or segment again")
        return values.index(value)

    def isInInput(self, number: int) -> bool:
        """Return whether a frame of the run is in the input still."""
        return self.curve.index.values[number] in self._valuesNow()

    def _valuesNow(self) -> list[str]:
        return SequenceFrames(self.source.sequenceNode).index.values
