"""Picture of a comparison of speeds: time and memory against the number of frames."""

from pathlib import Path

from matplotlib.figure import Figure


def draw_speeds(results: list[dict], path: Path) -> None:
    """Write a PNG with a line for each contender.

    Args:
        results: what `bench.compare` measured, one for each number of frames, with the same contenders.
        path: PNG file.
    """
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    seconds, memory = figure.subplots(1, 2)
    counts = [result["frames"] for result in results]
    for name in results[0]["contenders"]:
        runs = [result["contenders"][name] for result in results]
        seconds.plot(counts, [run["seconds"] for run in runs], marker="o", label=name)
        memory.plot(counts, [run["peak"] for run in runs], marker="o", label=name)
    for axes, label in ((seconds, "seconds"), (memory, "peak memory, MiB")):
        axes.set(xlabel="frames", ylabel=label, xlim=(0, None), ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    first = results[0]
    size = " x ".join(map(str, first["size"]))
    figure.suptitle(f"{first['kind']}, w = {first['width']}, frames of {size}, {first['device']}", fontsize="medium")
    seconds.legend(frameon=False)
    figure.savefig(path, dpi=120)
