"""Measures pipelines of the aligned form, beside each other, on scenes that nothing was trained on.

    python examples/train_readers.py FOLDER/scenes FOLDER/readers   # once, on the scenes that train_builtin.py wrote
    python examples/evaluate_builtin.py FOLDER                      # the checkpoint that ships
    python examples/evaluate_builtin.py FOLDER --source old=FOLDER/before --source new=FOLDER/pipeline --speed

How much of a condition is in the pictures? Networks learned to read labels, depth, joints, classes and things from true
scenes, and read them from painted ones. What they read is relative to what they read from true pictures; ``alone`` is where
only this condition was given. Each number has a 95 % interval, by resampling pictures. Pictures are kept in
FOLDER/evaluation/pictures and not painted again, so that a run that was interrupted goes on, and a new checkpoint does not
cost what an old one did. There are tables (Markdown and JSON) and sheets of pictures in FOLDER/evaluation.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from measuring.crude_maps import CRUDE, compare_things, scenes_with_things
from measuring.faithfulness import TrueScenes, cases_of, compare_faithfulness, read
from measuring.painting import Case, Checkpoint, crude_labels
from measuring.readers import Readers
from measuring.report import Table
from measuring.speed import compare_speed
from measuring.things import KINDS, things_of
from measuring.tokenizer import compare_photographs, compare_tokenizers
from measuring.whole_scenes import BOXES, NOTHING, compare_boxes, compare_light, compare_plausibility

from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.images import from_pixels, to_pil
from vqgan_transformer.scenes import Scene, make_scene

HELD_OUT = 10_000_000  # seeds from here on are for evaluation only
PICTURES = {256: 64, 512: 20, 1024: 20}
ROWS = {256: 8, 512: 4, 1024: 3}
SMALL = 256  # the side at which everything is measured; larger pictures are measured for faithfulness


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--source", action="append", help="name, folder, or NAME=FOLDER; several stand beside each other"
    )
    parser.add_argument("--readers", type=Path, help="FOLDER/readers unless said otherwise")
    parser.add_argument("--pictures", type=int, help="of each size; 64 of 256 pixels and 20 of larger ones by default")
    parser.add_argument("--sides", type=int, nargs="*", default=(256, 512, 1024))
    parser.add_argument("--guidance", type=float, nargs="*", default=(), help="beside the shipped one, at 256 pixels")
    parser.add_argument("--photographs", type=Path, help="a folder of them, for the tokenizers")
    parser.add_argument(
        "--speed", action="store_true", help="time pictures of 1024 and 2048 pixels; with nothing beside it"
    )
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    folder, start = arguments.folder / "evaluation", time.perf_counter()
    readers = Readers.load(arguments.readers or arguments.folder / "readers")
    checkpoints = [Checkpoint(source, folder / "pictures") for source in arguments.source or ["builtin:scenes"]]
    if len({checkpoint.name for checkpoint in checkpoints}) < len(checkpoints):
        parser.error("two sources have one name: call them otherwise, NAME=FOLDER.")
    for side in arguments.sides:
        true = read_scenes(readers, held_out(side, arguments.pictures or PICTURES.get(side, 20)))
        table = Table(f"{len(true.scenes)} pictures of {side}×{side}")
        compare_faithfulness(table, readers, true, checkpoints, arguments.guidance)
        compare_tokenizers(table, readers, true, checkpoints)
        cases = cases_of(side, arguments.guidance)
        if side == SMALL:
            compare_plausibility(table, readers, true, checkpoints)
            compare_boxes(table, readers, true, checkpoints)
            compare_light(table, checkpoints)
            things = read_scenes(readers, scenes_with_things(HELD_OUT + 1_000_000, side, len(true.scenes)))
            compare_things(table, readers, things, checkpoints)
            write_sheets(folder, things, checkpoints, [CRUDE])
            write_things(folder, things, checkpoints)
            cases += [BOXES, NOTHING, Case("drawing", ("condition_image",))]
        if arguments.photographs and side <= 512:
            compare_photographs(table, checkpoints, arguments.photographs, side)
        table.write(folder, str(side))
        write_sheets(folder, true, checkpoints, cases)
        print(f"{table.markdown()}\n{time.perf_counter() - start:.0f} s", flush=True)
    if arguments.speed:
        table = Table(f"speed, {arguments.threads} threads")
        compare_speed(table, checkpoints)
        table.write(folder, "speed")
        print(table.markdown())


def held_out(side: int, count: int) -> list[Scene]:
    """Scenes that nothing was trained on, of which every other one has people."""
    return [make_scene(HELD_OUT + number, (side, side), people=2 if number % 2 else None) for number in range(count)]


def read_scenes(readers: Readers, scenes: list[Scene]) -> TrueScenes:
    """Scenes with their pictures, read."""
    pictures = [from_pixels(scene.image) for scene in scenes]
    return TrueScenes(scenes, pictures, read(readers, pictures, scenes))


def write_sheets(folder: Path, true: TrueScenes, checkpoints: Sequence[Checkpoint], cases: Sequence[Case]) -> None:
    """A sheet for each case: the true picture, the map where it is a crude one, and what each checkpoint painted."""
    rows = ROWS.get(true.side, 3)
    for case in cases:
        able = [checkpoint for checkpoint in checkpoints if checkpoint.knows(case)]
        if not able:
            continue
        columns = {"true": [scene.image for scene in true.scenes]}
        if case is CRUDE:
            labels = able[0].pipe.condition("segmentation")
            crude = [labels.parse(crude_labels(scene), unlabelled=-1) for scene in true.scenes[:rows]]
            columns["crude map"] = [labels.show(parsed)[0] for parsed in crude]
        columns |= {each.name: [to_pil(x)[0] for x in each.paint(case, true.scenes)] for each in able}
        pictures = [list(row) for row in zip(*(column[:rows] for column in columns.values()), strict=True)]
        contact_sheet(pictures, list(columns), height=true.side).save(folder / f"{true.side} {case.name}.png")


def write_things(folder: Path, true: TrueScenes, checkpoints: Sequence[Checkpoint], each: int = 8) -> None:
    """A sheet of things from crude maps: a row for true ones of each kind, and one for those of each checkpoint below it."""
    painted = {"true": true.pictures, **{one.name: one.paint(CRUDE, true.scenes) for one in checkpoints}}
    things = [(number, thing) for number, scene in enumerate(true.scenes) for thing in things_of(scene)]
    rows = []
    for kind in KINDS:
        chosen = [(number, thing) for number, thing in things if thing.kind == kind][:each]
        for pictures in painted.values() if chosen else ():
            rows.append([to_pil(thing.cut(pictures[number], 96))[0] for number, thing in chosen])
    if rows:
        contact_sheet(rows).save(
            folder / f"{true.side} things from crude maps, {', '.join(painted)} below each other.png"
        )


if __name__ == "__main__":
    main()
