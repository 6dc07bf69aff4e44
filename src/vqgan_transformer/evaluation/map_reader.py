"""What looks at a picture and says what is in it: any callable, or a model of transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from PIL import Image

from ..conditions.label_spaces import LabelSpace, label_space
from .published_weights import weights_hash

__all__ = ["MapReader", "classifier", "depth_estimator", "reader_of", "segmenter"]


@dataclass(frozen=True)
class MapReader:
    """Looks at pictures.

    Attributes:
        read: an RGB picture -> what is in it, in any form that a condition takes of a user.
        title: what results call it.
        digest: SHA-256 of its weights; ``None`` for a function without any.
        labels: what its numbers mean; ``None``: the same as the condition's.
        near: for depth, whether near places have "large" or "small" numbers.
    """

    read: Callable[[Image.Image], Any]
    title: str
    digest: str | None = None
    labels: LabelSpace | None = None
    near: Literal["large", "small"] = "large"


def reader_of(
    function: Callable[[Image.Image], Any],
    labels: LabelSpace | str | Sequence[str] | None,
    near: Literal["large", "small"],
) -> MapReader:
    """A reader from any callable.

    Args:
        function: an RGB picture -> what is in it.
        labels: what its numbers mean: a label space, its name, or the names of the labels.
        near: see :class:`MapReader`.
    """
    title = getattr(function, "__name__", type(function).__name__)
    digest = weights_hash(function) if isinstance(function, torch.nn.Module) else None
    return MapReader(function, title, digest, None if labels is None else label_space(labels), near)


def segmenter(model: str, device: torch.device) -> MapReader:
    """A reader of label maps: a model for semantic segmentation; its labels are those of its config.

    Raises:
        ImportError: without transformers.
    """
    processor, network = _parts(_transformers(), "AutoModelForSemanticSegmentation", model, device)
    names = network.config.id2label
    labels = LabelSpace(tuple(names[number] for number in range(len(names))), model, unknown=255)

    def read(picture: Image.Image) -> Any:
        with torch.no_grad():
            output = network(**processor(images=picture, return_tensors="pt").to(device))
        size = (picture.height, picture.width)
        return processor.post_process_semantic_segmentation(output, target_sizes=[size])[0].cpu()

    return MapReader(read, model, weights_hash(network), labels)


def depth_estimator(model: str, device: torch.device) -> MapReader:
    """A reader of depth: a model for depth estimation; near is large, as relative models give it.

    Raises:
        ImportError: without transformers.
    """
    processor, network = _parts(_transformers(), "AutoModelForDepthEstimation", model, device)

    def read(picture: Image.Image) -> Any:
        with torch.no_grad():
            return network(**processor(images=picture, return_tensors="pt").to(device)).predicted_depth[0].cpu()

    return MapReader(read, model, weights_hash(network))


def classifier(model: str, device: torch.device) -> MapReader:
    """A reader of the class of a picture, by name.

    Raises:
        ImportError: without transformers.
    """
    processor, network = _parts(_transformers(), "AutoModelForImageClassification", model, device)

    def read(picture: Image.Image) -> Any:
        with torch.no_grad():
            logits = network(**processor(images=picture, return_tensors="pt").to(device)).logits[0]
        return network.config.id2label[int(logits.argmax())]

    return MapReader(read, model, weights_hash(network))


def _transformers() -> Any:
    try:
        import transformers
    except Exception as error:  # what it imports may be broken in many ways
        raise ImportError(
            f"a reader by its model id needs transformers ({error}): pip install 'vqgan_transformer[readers]', or pass any "
            "function from a picture to a map."
        ) from error
    return transformers


def _parts(transformers: Any, auto: str, model: str, device: torch.device) -> tuple[Any, Any]:
    """What prepares pictures for a model, and the model."""
    network = getattr(transformers, auto).from_pretrained(model)
    return transformers.AutoImageProcessor.from_pretrained(model), network.eval().to(device)
