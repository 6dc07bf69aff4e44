"""Which conditions can be read back from a picture, and how a reader is told from what a user passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from PIL import Image

from ..conditions import Condition
from ..conditions.label_spaces import LabelSpace
from .agreement import Agreement
from .class_agreement import ClassAgreement
from .depth_agreement import DepthAgreement
from .joint_agreement import JointAgreement
from .label_agreement import LabelAgreement
from .map_reader import reader_of
from .passes import Processes

__all__ = ["AGREEMENTS", "ReaderOptions"]

AGREEMENTS: dict[str, type[Agreement[Any]]] = {
    agreement.kind: agreement for agreement in (LabelAgreement, DepthAgreement, JointAgreement, ClassAgreement)
}
"""How each kind of condition is compared with a reading; a new one is a file and a line here."""


@dataclass(frozen=True)
class ReaderOptions:
    """What a user says of a reader; :func:`.faithfulness.evaluate_faithfulness` has the meaning of each."""

    reader: str | Callable[[Image.Image], Any]
    labels: LabelSpace | str | Sequence[str] | None = None
    near: Literal["large", "small"] = "large"
    device: str | torch.device | None = None

    def agreement(self, condition: Condition, arguments: Mapping[str, Any]) -> Agreement[Any]:
        """How readings are compared with a condition, of whose options some may be among the arguments.

        Raises:
            ValueError: for kinds that cannot be read back from a picture.
            TypeError: for a reader that is neither a function nor a model's id.
        """
        if condition.name not in AGREEMENTS:
            raise ValueError(
                f"{condition.name} cannot be read back from a picture; what can is {', '.join(AGREEMENTS)}."
            )
        kind = AGREEMENTS[condition.name]
        options = {name: value for name, value in arguments.items() if name in condition.option_names}
        if isinstance(self.reader, str):
            return kind(condition, options, kind.model_reader(self.reader, Processes.device(self.device)))
        if not callable(self.reader):
            raise TypeError(
                f"reader= is a function from a picture to a map, or a model's id; got {type(self.reader).__name__}."
            )
        return kind(condition, options, reader_of(self.reader, self.labels, self.near))
