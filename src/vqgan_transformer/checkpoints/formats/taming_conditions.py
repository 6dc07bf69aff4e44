"""The conditions of the original's transformers, from their yaml configs. Classes are compared by name, never imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...conditions import (
    ClassConfig,
    CoordinatesConfig,
    DepthConfig,
    ImageConfig,
    LayoutConfig,
    SegmentationConfig,
    UnconditionalConfig,
)
from ...conditions.class_names import coco_objects, imagenet_classes, open_images_objects
from ...conditions.label_spaces import space_of_size
from ...errors import CheckpointError
from .family import Known, Tensors
from .taming_run import Run
from .vqgan_shapes import made
from .yaml_section import Section

__all__ = ["condition_of"]

PUBLISHED_LABELS = (182, 183, 151)
OBJECTS = {"AnnotatedObjectsCoco": coco_objects, "AnnotatedObjectsOpenImages": open_images_objects}
"""The objects of the data sets that scene models were published for."""


def condition_of(run: Run, labels: Sequence[str] | None) -> tuple[str, Known]:
    """The condition's name in a pipeline, and what there is of it. Classes are compared by name, never imported."""
    if run.model is None:
        raise CheckpointError(f"{run.opened} does not say what its condition is. Pass config= with its project.yaml.")
    parameters = run.model.section("params")
    given, where = parameters.data.get("cond_stage_config"), f"{parameters.where}.cond_stage_config"
    if given == "__is_unconditional__" or parameters.flag("unconditional", False):
        return "unconditional", _known(
            "Unconditional", UnconditionalConfig, where, token=parameters.whole("sos_token", 0)
        )
    if given == "__is_first_stage__":
        return _picture(run, where)
    section = parameters.section("cond_stage_config")
    options = section.section("params") if "params" in section else Section({}, f"{where}.params")
    kind = section.target
    if kind in ("VQModel", "VQSegmentationModel"):
        return _condition_with_vqgan(run, kind, options, labels)
    if kind == "Labelator":
        count = options.whole("n_classes")
        names = imagenet_classes() if count == 1000 else None  # of the published model
        return "class_label", _known("ClassCondition", ClassConfig, where, number_of_classes=count, labels=names)
    if kind == "CoordStage":
        numbers = {"codebook_size": options.whole("n_embed"), "downsample_factor": options.whole("down_factor")}
        return "coordinates", _known("CoordinatesCondition", CoordinatesConfig, where, **numbers)
    if kind == "SOSProvider":
        return "unconditional", _known("Unconditional", UnconditionalConfig, where, token=options.whole("sos_token"))
    if kind == "DummyCondStage":
        return "layout", _layout(run, options, labels)
    raise CheckpointError(
        f"{where}.target is {kind!r}; known are VQModel, VQSegmentationModel, Labelator, CoordStage, SOSProvider and "
        "DummyCondStage."
    )


def _condition_with_vqgan(run: Run, kind: str, options: Section, labels: Sequence[str] | None) -> tuple[str, Known]:
    config, tensors = run.stage("condition")
    if kind == "VQModel" and config.in_channels != 1:
        return _picture(run, options.where)
    tensors = {f"vqgan.{name}": tensor for name, tensor in tensors.items()}
    if kind == "VQModel":
        return "depth", _known("DepthCondition", DepthConfig, options.where, tensors, vqgan=config)
    names = _label_names(config.in_channels, labels)
    return "segmentation", _known(
        "SegmentationCondition", SegmentationConfig, options.where, tensors, vqgan=config, **names
    )


def _picture(run: Run, where: str) -> tuple[str, Known]:
    config, tensors = run.stage("condition")
    tensors = {f"vqgan.{name}": tensor for name, tensor in tensors.items()}
    fields: dict[str, Any] = {"channels": config.in_channels, "vqgan": config}
    return "condition_image", _known("ImageCondition", ImageConfig, where, tensors, **fields)


def _layout(run: Run, options: Section, labels: Sequence[str] | None) -> Known:
    """Boxes of objects. What they are and how they become tokens is in the settings of the data set."""
    key = options.text("conditional_key")
    points = {"objects_bbox": "corners", "objects_center_points": "centre"}
    if key not in points:
        raise CheckpointError(f"{options.where}.conditional_key is {key!r}; known are {', '.join(points)}.")
    data = _data_set(run)
    where = data.where if data is not None else options.where
    settings = data.section("params") if data is not None else Section({}, where)
    names = labels
    if names is None and data is not None:
        names = OBJECTS[data.target]() if data.target in OBJECTS else None
    if names is None:
        raise CheckpointError(f"{where} does not say which objects there are. Pass labels= with their names by id.")
    attributes = ("group_of",) if settings.flag("use_group_parameter", True) else ()
    if settings.flag("use_additional_parameters", False):
        attributes = (*attributes, "occluded", "depiction", "inside")
    return _known(
        "LayoutCondition",
        LayoutConfig,
        where,
        number_of_classes=len(names),
        labels=tuple(names),
        vocab_size=settings.whole("no_tokens", 8192),
        max_objects=settings.whole("max_objects_per_image", 30),
        points=points[key],
        encode_crop=settings.flag("encode_crop", True),
        attributes=attributes,
    )


def _data_set(run: Run) -> Section | None:
    """The settings of the data set that a run was trained on."""
    section = run.document
    for name in ("data", "params", "train"):
        if section is None or name not in section:
            return None
        section = section.section(name)
    return section


def _label_names(count: int, labels: Sequence[str] | None) -> dict[str, Any]:
    if labels is not None:
        return {"labels": tuple(labels)}
    space = space_of_size(count) if count in PUBLISHED_LABELS else None
    if space is not None:
        return {"labels": space.names, "label_space": space.title}
    return {"labels": tuple(f"label {number}" for number in range(count))}


def _known(class_name: str, config: type, where: str, tensors: Tensors | None = None, /, **fields: Any) -> Known:
    return class_name, made(config, where, **fields), tensors or {}
