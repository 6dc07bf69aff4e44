"""SegmentationCondition: label maps, from whatever people keep them in to tokens."""

from __future__ import annotations

import colorsys
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import warn
from ..text_files import read_text
from ..vqgan.model import VQGAN, VQGANConfig
from .absent_labels import refuse_absent_labels
from .condition import AlignedForm
from .crude_maps import crude_map
from .data_forms import DataForm, Files, value_of
from .label_maps import fill_unlabelled, read_label_maps
from .label_spaces import Colour, LabelSpace, LabelTranslation, count_labels, translate
from .label_spaces import label_space as known_space
from .palettes import resolve_palette
from .plan_maps import PLANNED, plan_map
from .segmentation_config import SegmentationConfig
from .tokenized_map import MapLosses, TokenizedMap

__all__ = ["SegmentationCondition", "SegmentationConfig"]


class SegmentationCondition(TokenizedMap):
    """Label maps as a condition.

    Args:
        labels: the names of the labels, in the order of their ids, or the path of a JSON file with a list of them; those
            of `label_space` by default.
        palette: see :class:`SegmentationConfig`, also for the other arguments.
        label_space: the known space that the labels are.
        channels: the VQGAN's input channel of each label.
        trained_labels: names that the checkpoint was trained on.
        unknown: the id that means unlabelled.
        vqgan: encodes one-hot maps.
        drawn: the colours in which a GPT reads labels.

    Raises:
        ValueError: where these contradict each other.

    Example:
        >>> condition = SegmentationCondition(labels=("sky", "sea"))
        >>> condition.parse(torch.tensor([[0, 0], [1, 1]])).tolist()
        [[[0, 0], [1, 1]]]
    """

    name: ClassVar[str] = "segmentation"
    also_called: ClassVar[tuple[str, ...]] = (
        "labels",
        "label",
        "label_image",
        "seg",
        "semantic",
        "semantic_map",
        "segmentation_map",
        "map",
    )
    config_class: ClassVar[type] = SegmentationConfig
    in_data: ClassVar[DataForm] = Files(
        "segmentations",
        ("segmentation_file_name", "mask_file_name", "segmentation", "annotation", "mask", "semantic_segmentation"),
    )
    losses: ClassVar[MapLosses] = MapLosses(("bce", "cross_entropy"), None, 0.0)

    def __init__(
        self,
        labels: Sequence[str] | str | Path | None = None,
        *,
        palette: Sequence[Sequence[int]] | None = None,
        label_space: str | None = None,
        channels: Sequence[int] | None = None,
        trained_labels: Sequence[str] | None = None,
        unknown: int | None = None,
        vqgan: VQGAN | None = None,
        drawn: Sequence[Sequence[int]] | None = None,
    ):
        if labels is None and label_space is None:
            raise ValueError("SegmentationCondition needs the names of its labels: pass labels= or label_space=.")
        super().__init__(
            vqgan=vqgan,
            labels=_names(labels) if labels is not None else known_space(label_space or "").names,
            palette=None if palette is None else tuple((r, g, b) for r, g, b in palette),
            label_space=label_space,
            channels=None if channels is None else tuple(channels),
            trained_labels=None if trained_labels is None else tuple(trained_labels),
            unknown=unknown,
            drawn=None if drawn is None else tuple((r, g, b) for r, g, b in drawn),
        )

    @classmethod
    def for_tokenizer(cls, config: VQGANConfig | None) -> SegmentationCondition:
        """Labels without names, one for each channel of the VQGAN."""
        if config is None:
            raise ValueError(
                "segmentation needs condition=SegmentationCondition(labels=…), or a config with a channel a label."
            )
        return cls(labels=[f"label {number}" for number in range(config.in_channels)])

    @property
    def space(self) -> LabelSpace:
        """The labels that this checkpoint knows, with their colours and what unlabelled pixels are."""
        config = self.config
        known = config.label_space is not None
        space = known_space(config.label_space or "") if known else LabelSpace(config.labels, "this checkpoint")
        return replace(
            space,
            palette=config.palette if config.palette is not None else space.palette,
            unknown=config.unknown if config.unknown is not None else space.unknown,
        )

    @property
    def person_label(self) -> int | None:
        """The label of people, if the checkpoint was trained on it."""
        ids = self.space.ids_by_spelling()
        label = next((ids[name] for name in ("person", "people", "pedestrian") if name in ids), None)
        return None if label is None or self._drawn_as(label) is not None else label

    @property
    def tokenizer_channels(self) -> int:
        """Channels of one-hot maps; labels may share one."""
        channels = self.config.channels
        return len(self.config.labels) if channels is None else max(channels) + 1

    @property
    def aligned_input(self) -> tuple[AlignedForm, int] | None:
        """A label for each pixel, labels that share a channel being one; or the picture that labels are drawn as."""
        return ("labels", self.tokenizer_channels) if self.config.drawn is None else ("picture", 3)

    def for_aligned(self, parsed: Tensor) -> Tensor:
        """Label ids (B, H, W) -> the numbers of the channels that they are drawn with, (B, H, W); -1 stays -1.

        For GPTs that read pictures, the colours of labels: float32 (B, 3, H, W) in [-1, 1].
        """
        if self.config.drawn is not None:
            return self._drawn_colours(parsed.device)[parsed].movedim(-1, 1)
        channels = self.config.channels
        return parsed if channels is None else torch.tensor((*channels, -1), device=parsed.device)[parsed]

    def from_aligned(self, values: Tensor) -> Tensor:
        """What :meth:`for_aligned` gives -> the first label that is drawn so, trained ones before others: (B, H, W)."""
        if self.config.drawn is not None:
            colours = self._drawn_colours(values.device)
            distances = torch.stack([(values.movedim(1, -1) - colour).square().sum(-1) for colour in colours])
            labels = distances.argmin(0)
            return labels.where(labels < len(self.config.labels), -1)
        if self.config.channels is None:
            return values
        names, trained = self.config.labels, set(self.config.trained_labels or self.config.labels)
        labels = torch.full((self.tokenizer_channels + 1,), -1)  # the last one is that of -1
        for label in sorted(range(len(names)), key=lambda label: (names[label] in trained, -label)):
            labels[self.config.channels[label]] = label
        return labels.to(values.device)[values]

    def _drawn_colours(self, device: torch.device) -> Tensor:
        """The colours of labels, and last that of -1: float32 (K + 1, 3) in [-1, 1]."""
        return torch.tensor([*(self.config.drawn or ()), (0, 0, 0)], dtype=torch.float32, device=device) / 127.5 - 1

    def tokenizer_input(self, parsed: Tensor, channels: int) -> Tensor:
        """Label ids (B, H, W) -> one-hot (B, channels, H, W), 1 in the channel of a label; none where it is unknown."""
        labels = self.for_aligned(parsed)[:, None]
        one_hot = torch.zeros(len(labels), channels, *labels.shape[2:], device=labels.device)
        return one_hot.scatter_(1, labels.clamp(min=0), (labels >= 0).float())

    def from_tokenizer(self, output: Tensor) -> Tensor:
        """The likeliest label of each place: (B, channels, H, W) -> (B, H, W)."""
        return self.from_aligned(output.argmax(1))

    def parse(
        self,
        value: Any,
        *,
        palette: str | Mapping[Any, Any] | Sequence[Colour] | None = None,
        nearest_colour: bool | None = None,
        label_space: LabelSpace | str | Sequence[str] | Mapping[int, str] | None = None,
        label_map: Mapping[str | int, str | int] | None = None,
        unlabelled: int | Colour | None = None,
    ) -> Tensor:
        """Label maps from what people keep them in.

        Args:
            value: one of these, or a list of them, all of one size:

                - ids: an integer array or tensor `(H, W)`, or with a leading axis for a batch; a picture of mode L, I
                  or I;16, or of mode **P, whose palette indices are the ids**; or a path;
                - colours: an RGB picture, a uint8 array `(H, W, 3)` or tensor `(B, 3, H, W)`, or a path. With an
                  explicit `palette` also a picture of mode P, whose colours are then looked up in its own palette
                  first, and a tensor `(3, H, W)`.

            palette: what the colours mean: "ade20k" (the 150 colours that ControlNet uses; black is unlabelled), a
                dictionary `{(r, g, b): label}` or `{label: (r, g, b)}` with names or ids, or a list of colours in the
                order of ids. Without it, the colours of `label_space` or of this checkpoint.
            nearest_colour: read colours that are not in the palette as the nearest of those in the picture that are, and
                warn.
            label_space: what the ids mean, where they are not this checkpoint's own: one of
                :data:`~vqgan_transformer.conditions.label_spaces.LABEL_SPACES`, the names in the order of ids, or names
                by id, as ``model.config.id2label`` of transformers has them. Labels are translated by name, and a
                warning says which were merged and which stand for something else.
            label_map: labels to read as others, `{source name or id: name or id of this checkpoint}`. It goes before
                the translation by name.
            unlabelled: the id, or the colour, of pixels that nobody labelled, e.g. 255; as masked pixels of a numpy masked
                array they take the label of the nearest pixel that has one, or stay open in models that can leave them so.

        Returns:
            int64 `(B, H, W)`, ids of this checkpoint's labels; -1 where unlabelled.

        Raises:
            TypeError: for types and number formats that are no label map.
            ValueError: for shapes, colours and labels that cannot be what is meant; messages say what to do.
        """
        palette, label_space = self._option("palette", palette), self._option("label_space", label_space)
        label_map, unlabelled = self._option("label_map", label_map), self._option("unlabelled", unlabelled)
        target, space = self.space, None if label_space is None else known_space(label_space)
        maps, void = read_label_maps(value, as_colours=palette is not None, unlabelled=unlabelled)
        source = space if space is not None else target
        if maps.ndim == 4:
            colours = resolve_palette(palette, target, space, maps)
            nearest = self._option("nearest_colour", nearest_colour, False)
            labels = colours.read(maps[~void], nearest_colour=nearest)
            maps, source = np.zeros(void.shape, dtype=np.int64), colours.space
            maps[~void] = labels
            void |= maps == unlabelled if isinstance(unlabelled, int) else False
        translation = translate(source, target, label_map)
        parsed = np.full(maps.shape, -1, dtype=np.int64)
        if not void.all():
            counts = count_labels(maps[~void])
            refuse_absent_labels(counts, translation)
            self._warn(counts, translation)
            parsed[~void] = translation.apply(maps[~void])
        return torch.from_numpy(parsed)

    def read_sample(self, sample: Mapping[str, Any]) -> Tensor:
        """A label map of the data; pixels that nobody labelled, by what is known of the labels, are -1.

        Raises:
            KeyError: where the sample has none.
            TypeError: as :meth:`parse`.
            ValueError: as :meth:`parse`.
        """
        space = self.options.get("label_space")
        known = self.space if space is None else known_space(space)
        beyond = known.unknown if known.unknown is not None and known.unknown >= len(known) else None
        try:
            return self.parse(value_of(sample, self.name), unlabelled=self.options.get("unlabelled", beyond))[0]
        except ValueError as error:
            # a call's advice, told as it can be followed here
            message = str(error).partition(" To read them as others")[0]
            if message == str(error):
                raise
            raise ValueError(
                f"{message} Make the condition with unknown= and the id of pixels that nobody labelled, and they are not "
                "trained on; other labels are translated by what condition.reading(…) is told of the data."
            ) from error

    def drawn_crudely(self, sample: Tensor, generator: np.random.Generator) -> Tensor:
        """A label map (H, W) as people and segmenters draw it, or as a planner.

        Tokens leave nothing open, so places without label are filled.
        """
        labels = sample.numpy()
        planned = generator.random() < PLANNED
        crude = torch.from_numpy(
            plan_map(labels, generator, self.person_label) if planned else crude_map(labels, generator)
        )
        return crude if self.vqgan is None or not bool((crude >= 0).any()) else fill_unlabelled(crude)

    def encode(self, parsed: Tensor) -> Tensor:
        """Tokens of label maps: int64 (B, H, W) -> int64 (B, h, w). One-hot maps are made a few at a time.

        Raises:
            ValueError: for ids that are no labels, another shape, sides that are no multiples of
                :attr:`downsample_factor`, and for a condition without a VQGAN.
            TypeError: for maps that are not int64.
        """
        self._tokenizer()
        if parsed.dtype != torch.int64:
            raise TypeError(f"label maps are int64, as parse() gives them; got {parsed.dtype}.")
        count, factor = len(self.config.labels), self.downsample_factor
        if parsed.ndim != 3 or parsed.shape[1] % factor or parsed.shape[2] % factor or 0 in parsed.shape:
            raise ValueError(
                f"label maps have the shape (B, H, W) with sides that are multiples of {factor}, got "
                f"{tuple(parsed.shape)}. extend_to() repeats their edges."
            )
        low, high = int(parsed.min()), int(parsed.max())
        if low < -1 or high >= count:
            raise ValueError(f"label maps run from {low} to {high}, but the labels are 0–{count - 1}. See parse().")
        return super().encode(parsed if low >= 0 else torch.stack([fill_unlabelled(labels) for labels in parsed]))

    def colorize(self, value: Any, **options: Any) -> list[Image.Image]:
        """Label maps as people look at them: RGB pictures in this checkpoint's palette, which :meth:`parse` reads back.

        Args:
            value: label maps, as for :meth:`parse`.
            **options: as for :meth:`parse`.

        Returns:
            a picture for each map.

        Raises:
            ValueError: where the labels have no palette; otherwise as :meth:`parse`.
        """
        if self.space.palette is None:
            raise ValueError(
                f"the labels of {self.space.title} have no colours: pass palette= when making the condition."
            )
        return self.show(self.parse(value, **options))

    def show(self, parsed: Tensor, size: tuple[int, int] = (256, 256)) -> list[Image.Image]:
        """Label maps in this checkpoint's palette, or in hues of our own where it has none."""
        hues = [_hue(0.618034 * label % 1) for label in range(len(self.config.labels))]
        palette: Sequence[Colour] = self.space.palette or hues
        # unlabelled pixels are black
        colours = np.array([*palette, (0, 0, 0)], dtype=np.uint8)
        return [Image.fromarray(colours[labels]) for labels in parsed.cpu().numpy()]

    def _warn(self, counts: Mapping[int, int], translation: LabelTranslation) -> None:
        """Says once a call what became of the labels in the maps: read as the nearest, merged, drawn as others."""
        source, space = translation.source, translation.target
        names = [source.names[label] for label in counts if label < len(source)]
        nearest = [f"{name!r} as {translation.nearest[name]!r}" for name in names if name in translation.nearest]
        _say(f"labels of {source.title} that {space.title} lacks are read as the nearest", nearest)
        merged = {target: [name for name in some if name in names] for target, some in translation.merged.items()}
        several = [f"{' and '.join(map(repr, some))} as {target!r}" for target, some in merged.items() if len(some) > 1]
        _say(f"labels of {source.title} that {space.title} does not tell apart are merged", several)
        present: Counter[int] = Counter()
        for label, count in counts.items():
            present[translation.table[label]] += count
        others = {label: other for label in sorted(present) if (other := self._drawn_as(label))}
        share = sum(present[label] for label in others) / sum(present.values())
        what = "this checkpoint was not trained on all labels of the map"
        if share > 0.5:
            what = f"{share:.0%} of the pixels have labels that this checkpoint was not trained on"
            if source is space:
                what += "; if the ids are those of another label set, say so with label_space= or label_map=. As it is"
        drawn = [f"{space.names[label]!r} is drawn as {other}" for label, other in others.items()]
        _say(what, drawn, "labels not trained on")

    def _drawn_as(self, label: int) -> str | None:
        """The trained label in whose place a label is drawn; None for labels that were trained themselves."""
        config = self.config
        trained = set(config.labels if config.trained_labels is None else config.trained_labels)
        if config.labels[label] in trained:
            return None
        channels = config.channels or tuple(range(len(config.labels)))
        mates = [name for name, channel in zip(config.labels, channels, strict=True) if channel == channels[label]]
        return next((repr(mate) for mate in mates if mate in trained), "something arbitrary")


def _hue(hue: float) -> Colour:
    red, green, blue = (round(255 * value) for value in colorsys.hsv_to_rgb(hue, 0.65, 0.9))
    return red, green, blue


def _names(labels: Sequence[str] | str | Path) -> tuple[str, ...]:
    """The names of labels, given or read from a JSON list."""
    if not isinstance(labels, str | Path):
        return tuple(labels)
    path = Path(labels)
    if not path.is_file():
        raise FileNotFoundError(
            f"labels={str(labels)!r} is no file: give names in a list, or the path of a JSON list of them."
        )
    try:
        names = json.loads(read_text(path))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}.") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f'{path} should hold a JSON list of names, such as ["sky", "sea"].')
    return tuple(names)


def _say(what: str, items: list[str], kind: str | None = None, most: int = 12) -> None:
    """Warns of items, if there are any."""
    if items:
        more = f", and {len(items) - most} more" if len(items) > most else ""
        warn(f"{what}: {', '.join(items[:most])}{more}.", kind or what)
