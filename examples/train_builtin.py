"""Trains the checkpoint `builtin:scenes`: stops and starts at will, each stage goes on where it was.

    python examples/train_builtin.py FOLDER                     # all stages, about two hours on two CPU cores
    python examples/train_builtin.py FOLDER --stage generator --minutes 60

The stages, in order:
    render      draws the scenes
    labels      trains the VQGAN of label maps
    pictures    trains the VQGAN of pictures
    tokens      encodes all scenes
    generator   trains the GPT
    decoder     trains the picture decoder further, against a discriminator; tokens stay
    pipeline    puts everything together in half precision: FOLDER/pipeline
`builtin/` next to this file has them, one idea a file.
"""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path

import torch
from builtin import data, generator, pipeline, tokenizers

MINUTES = {"labels": 8.0, "pictures": 25.0, "generator": 50.0, "decoder": 12.0}
STAGES = ("render", "labels", "pictures", "tokens", "generator", "decoder", "pipeline")


def run(stage: str, folder: Path, minutes: float | None, threads: int) -> None:
    """Runs one stage to its end."""
    minutes = MINUTES.get(stage, 0.0) if minutes is None else minutes
    seed = secrets.randbits(32)  # a run that goes on must not see the crops of its beginning again
    if stage == "render":
        data.render(folder, threads)
    elif stage == "labels":
        tokenizers.train_labels(data.Scenes(folder, seed), folder, minutes)
    elif stage == "pictures":
        tokenizers.train_pictures(data.Scenes(folder, seed), folder, minutes)
    elif stage == "tokens":
        generator.write_tokens(folder, folder)
    elif stage == "generator":
        generator.train_generator(folder, minutes, seed)
    elif stage == "decoder":
        tokenizers.train_decoder(data.Scenes(folder, seed), folder, minutes)
    elif stage == "pipeline":
        print(pipeline.assemble(folder))


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where scenes, states and the result are kept")
    parser.add_argument("--stage", choices=STAGES, help="one stage alone (default: all)")
    parser.add_argument("--minutes", type=float, help="of training in all, for --stage")
    parser.add_argument("--threads", type=int, default=2, help="CPU cores to use")
    arguments = parser.parse_args()
    if arguments.minutes is not None and arguments.stage not in MINUTES:
        parser.error(f"--minutes goes with one of --stage {', '.join(MINUTES)}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(arguments.threads)
    for stage in [arguments.stage] if arguments.stage else STAGES:
        run(stage, arguments.folder, arguments.minutes, arguments.threads)


if __name__ == "__main__":
    main()
