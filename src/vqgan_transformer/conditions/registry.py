"""All kinds of condition: a new one is a file of its own and a line here."""

from __future__ import annotations

from ..vqgan.model import VQGANConfig
from .class_label import ClassCondition
from .condition import Condition
from .control_pictures import CannyCondition, EdgeCondition, HEDCondition, LineartCondition
from .coordinates import CoordinatesCondition
from .data_forms import DataForm, Files
from .depth import DepthCondition
from .image import ImageCondition
from .keypoints import KeypointsCondition
from .layout import LayoutCondition
from .segmentation import SegmentationCondition
from .text import TextCondition
from .tokenized_map import TokenizedMap
from .unconditional import Unconditional

__all__ = ["KINDS", "MAP_KINDS", "data_form", "map_reader"]

KINDS: dict[str, type[Condition]] = {
    kind.name: kind
    for kind in (
        SegmentationCondition,
        DepthCondition,
        KeypointsCondition,
        ImageCondition,
        CannyCondition,
        HEDCondition,
        LineartCondition,
        EdgeCondition,
        TextCondition,
        LayoutCondition,
        ClassCondition,
        CoordinatesCondition,
        Unconditional,
    )
}
"""The class of each kind by its name."""

MAP_KINDS = {name: kind for name, kind in KINDS.items() if issubclass(kind, TokenizedMap)}
"""Those whose maps have a tokenizer."""


def data_form(name: str) -> DataForm:
    """Where training data have the kind of a name; one that is not registered is a file for each picture."""
    return KINDS[name].in_data if name in KINDS else Files(name, (name,))


def map_reader(kind: str, given: Condition | None, config: VQGANConfig | None) -> TokenizedMap | None:
    """The condition that reads the maps whose tokenizer is trained; ``None`` for pictures.

    Args:
        kind: a name in :data:`MAP_KINDS`, or another for pictures.
        given: by the user, if any.
        config: of the tokenizer, if it is known.

    Raises:
        ValueError: where the given one is of another kind, and for maps of which too little is known.
    """
    if kind not in MAP_KINDS:
        if given is not None:
            raise ValueError(
                f"condition={given.name!r} is for its own maps: pass kind={given.name!r}, or leave it out."
            )
        return None
    if given is None:
        return MAP_KINDS[kind].for_tokenizer(config)
    if not isinstance(given, MAP_KINDS[kind]):
        raise ValueError(f"kind={kind!r} needs a condition of that name, got {given.name!r}.")
    return given
