"""``sample`` and ``complete``: pictures from conditions that lie in files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command import Command, Console
from .options import Option, fields_as_options, parameters_as_options
from .settings_file import write_settings, write_whole
from .sources import condition_options, condition_value, kinds, load_pipeline, model_options

if TYPE_CHECKING:
    from ..pipeline import ImageSynthesisPipeline

__all__ = ["COMPLETE", "SAMPLE"]

CALL = ("size", "height", "width", "resize", "num_images", "seed")
COMPLETION = ("image", "mask", "origin", "composite", "num_candidates")
OUTPUT = Path("picture.png")


class Changed(Exception):
    """A file that a picture is painted from has been saved again."""


def _options(*groups: list[Option]) -> list[Option]:
    from ..pipeline import ImageSynthesisPipeline
    from ..sampler.sampler import SamplerConfig

    call = parameters_as_options(ImageSynthesisPipeline.__call__, "picture", CALL)
    call = [Option(**{**vars(option), "count": 2}) if option.name == "size" else option for option in call]
    output = Option(
        "output",
        Path,
        OUTPUT,
        "the picture's file (several are numbered), beside which its settings are saved",
        "picture",
    )
    return [
        *model_options(),
        *call,
        output,
        *(option for group in groups for option in group),
        *condition_options(),
        *fields_as_options(SamplerConfig, "sampler"),
    ]


def _sample_options() -> list[Option]:
    from ..pipeline import ImageSynthesisPipeline

    watch = Option(
        "watch", bool, False, "paint again whenever a file it is painted from is saved; Ctrl-C ends it", "picture"
    )
    return _options([watch, *parameters_as_options(ImageSynthesisPipeline.__call__, "picture", ("plan",))])


def _complete_options() -> list[Option]:
    from ..pipeline import ImageSynthesisPipeline

    files = {"image": Path, "mask": Path | None}
    return _options(parameters_as_options(ImageSynthesisPipeline.__call__, "completion", COMPLETION, files))


def sample(values: dict[str, Any], console: Console) -> None:
    """Paints what was asked for, once or again whenever a file changes."""
    watch = values.pop("watch", False)
    given = dict(values)
    pipe = load_pipeline(values)
    paint = Painter(pipe, values, given, console)
    if not watch:
        paint("sample")
        return
    files = [file for value in values.values() for file in (value if isinstance(value, list) else [value])]
    _watch([file for file in files if isinstance(file, Path) and file.is_file()], paint, console)


def complete(values: dict[str, Any], console: Console) -> None:
    """Paints what is lacking in a picture."""
    given = dict(values)
    pipe = load_pipeline(values)
    Painter(pipe, values, given, console)("complete")


class Painter:
    """Paints from what was given, and saves the pictures and what they were painted with.

    Args:
        pipe: paints.
        values: of the call.
        given: all that was given, for the settings file.
        console: tells what was saved.
    """

    def __init__(self, pipe: ImageSynthesisPipeline, values: dict[str, Any], given: dict[str, Any], console: Console):
        self.pipe, self.given, self.console = pipe, given, console
        self.output = Path(values.pop("output", OUTPUT))
        if self.output.suffix == "":
            self.output /= OUTPUT
        self.values = values

    def __call__(self, command: str, callback: Callable[..., None] | None = None) -> None:
        """Paints and saves."""
        started = time.perf_counter()
        names = {kind.name for kind in kinds()}
        arguments = {name: condition_value(value) if name in names else value for name, value in self.values.items()}
        out = self.pipe(**arguments, progress=self.console.progress, callback=callback)
        seconds = time.perf_counter() - started
        files = save_pictures(self.output, out.images)
        settings = self.output.with_suffix(".yaml")
        write_settings(settings, command, self._used(out.seeds))
        sizes = ", ".join(dict.fromkeys(f"{image.height}×{image.width}" for image in out.images))
        self.console.result(
            {"images": files, "seeds": out.seeds, "settings": settings, "seconds": round(seconds, 3)},
            f"painted {sizes} pixels in {seconds:.1f} s, seed {', '.join(map(str, out.seeds))}\n"
            f"saved {', '.join(map(str, files))} and {settings}",
        )

    def _used(self, seeds: list[int]) -> Mapping[str, Any]:
        """All that was given, and the seeds that were drawn."""
        seed: int | list[int] = seeds[0] if seeds == [*range(seeds[0], seeds[0] + len(seeds))] else seeds
        return {**self.given, "seed": seed}


def save_pictures(output: Path, images: list[Any]) -> list[Path]:
    """Saves one picture under a name, several under the name and their numbers; each whole or not at all."""
    files = []
    for number, image in enumerate(images):
        file = output if len(images) == 1 else output.with_name(f"{output.stem}_{number}{output.suffix}")
        write_whole(file, image.save)
        files.append(file)
    return files


def _watch(files: list[Path], paint: Painter, console: Console) -> None:
    """Paints again whenever one of the files is saved; a picture in the making is given up for the newer one."""
    console.note(f"watching {', '.join(map(str, files)) or 'nothing'}; Ctrl-C ends it")
    painted: list[float] = []

    def state() -> list[float]:
        return [file.stat().st_mtime_ns if file.exists() else 0 for file in files]

    def check(*_: Any) -> None:
        if state() != painted:
            raise Changed

    try:
        while True:
            if state() == painted:
                time.sleep(0.1)
                continue
            painted = state()
            try:
                paint("sample", check)
            except Changed:
                continue
            except (ValueError, TypeError, OSError) as error:  # a file that is just being written, or a mistake in it
                console.note(str(error))
    except KeyboardInterrupt:
        console.note("stopped watching")


SAMPLE = Command(
    "sample",
    "paint pictures from conditions in files",
    sample,
    _sample_options,
    positional=("model",),
    examples=(
        "vqgan-transformer sample --segmentation labels.png --size 1024 1536 --seed 3",
        'vqgan-transformer sample --depth depth.npy --class-label "winter dusk" --num-images 4 --output dusk.png',
        "vqgan-transformer sample --segmentation labels.png --watch",
        "vqgan-transformer sample --config picture.yaml temperature=0.9",
    ),
)
COMPLETE = Command(
    "complete",
    "paint what a mask marks in a picture, or what lies around it",
    complete,
    _complete_options,
    positional=("model",),
    examples=(
        "vqgan-transformer complete --image photo.png --mask area.png",
        "vqgan-transformer complete --image photo.png --size 512 768 --origin 128,128",
    ),
)
