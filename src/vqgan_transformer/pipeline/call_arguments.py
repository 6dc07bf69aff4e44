"""What a call of the pipeline takes by name, beyond its own arguments. Written by ``tests/write_call_arguments.py``."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from ..conditions.label_spaces import LabelSpace

__all__ = ["CallArguments"]


class CallArguments(TypedDict, total=False):
    """Conditions by their kind, their options, and settings of the sampler.

    A checkpoint understands some of the kinds; an option goes together with its kind.
    """

    segmentation: Any
    """Label maps as a condition."""

    depth: Any
    """Depth as a condition."""

    keypoints: Any
    """Poses of people as a condition, as in the paper: keypoints are drawn as a picture, which has a VQGAN of its
    own."""

    condition_image: Any
    """A picture as a condition: edges, a sketch, a scene by night, anything that was paired with pictures in
    training."""

    canny: Any
    """Canny's edges: white lines on black, one pixel wide (Canny 1986)."""

    hed: Any
    """Soft edges as a holistically-nested edge detector gives them: white on black (Xie and Tu 2015)."""

    lineart: Any
    """Line drawings: white lines on black."""

    edge: Any
    """Edges of any of these kinds, for models that were trained on several."""

    text: Any
    """A caption as a condition."""

    prompt: Any
    """The same as ``text``."""

    prompt_embeds: Any
    """The same as ``text``."""

    layout: Any
    """Boxes of objects as a condition."""

    class_label: Any
    """A class by its id or name; the token is the id itself (the original's Labelator)."""

    coordinates: Any
    """Positions in the whole picture as a condition. It has no parameters."""

    unconditional: Any
    """No condition: the GPT reads one and the same start token before each picture."""

    palette: str | Mapping[Any, Any] | Sequence[tuple[int, int, int]] | None
    """Of segmentation: what the colours mean: "ade20k" (the 150 colours that ControlNet uses; black is unlabelled), a
    dictionary `{(r, g, b): label}` or `{label: (r, g, b)}` with names or ids, or a list of colours in the order of ids.
    Without it, the colours of `label_space` or of this checkpoint. Of keypoints: "openpose" reads the joints back from
    the colours of a skeleton picture, and draws them anew. Only pictures that these joints explain are accepted: bodies
    without hands and faces, not resized, no JPEG."""

    segmentation_palette: str | Mapping[Any, Any] | Sequence[tuple[int, int, int]] | None
    """The same as ``palette``, for segmentation alone."""

    nearest_colour: bool | None
    """Of segmentation: read colours that are not in the palette as the nearest of those in the picture that are, and
    warn."""

    label_space: LabelSpace | str | Sequence[str] | Mapping[int, str] | None
    """Of segmentation: what the ids mean, where they are not this checkpoint's own: one of ``LABEL_SPACES``, the names
    in the order of ids, or names by id, as ``model.config.id2label`` of transformers has them. Labels are translated by
    name, and a warning says which were merged and which stand for something else."""

    label_map: Mapping[str | int, str | int] | None
    """Of segmentation: labels to read as others, `{source name or id: name or id of this checkpoint}`. It goes before
    the translation by name."""

    unlabelled: int | tuple[int, int, int] | None
    """Of segmentation: the id, or the colour, of pixels that nobody labelled, e.g. 255; as masked pixels of a numpy
    masked array they take the label of the nearest pixel that has one, or stay open in models that can leave them
    so."""

    near: Literal["large", "small"] | None
    """Of depth: "large" if near places have large values: inverse depth in any unit, which MiDaS, DPT, Depth Anything
    and ControlNet's pictures (near is white) give, and which is taken where nothing is said. "small" if the values are
    distances in any unit (metres, millimetres), which laser scanners and metric estimators give; their reciprocal is
    taken, and infinity is the horizon."""

    depth_range: tuple[float, float] | None
    """Of depth: (low, high), in the unit of the values, that become the ends of [-1, 1], so that several pictures have
    one scale. By default each map's own smallest and largest value, as in the original; for checkpoints that read depth
    as a picture, 0 and the largest."""

    invalid: float | None
    """Of depth: the value that means "no reading", e.g. 0 in laser and Kinect data, or ``float("nan")``. These pixels
    are filled from the readings around them (``fill_gaps``), as are masked ones of a numpy masked array."""

    keypoints_size: tuple[int, int] | None
    """Of keypoints: (height, width) of the picture whose pixels x and y are, if not of the one asked for; (1, 1) for
    relative ones, in 0–1."""

    keypoint_threshold: float | None
    """Of keypoints: joints, and people who have a score of their own, are left out below it. A visibility of 1 or 2
    passes, and so do torchvision's joints, whose scores are on no scale."""

    keypoint_format: str | Sequence[str] | None
    """Of keypoints: the order of the joints if it is not COCO's: "openpose" (18), "openpose25", "crowdpose" (14),
    "coco_wholebody" (133), or the name of each joint. Files that name their joints need none."""

    image_id: int | str | Sequence[int | str] | None
    """Of keypoints: id or file name of a picture in a COCO json, or a list of them."""

    keypoints_palette: str | None
    """The same as ``palette``, for keypoints alone."""

    label_limbs: bool
    """Of keypoints: where a label map is passed beside the keypoints, put its label of people under the limbs. Without
    that label there, a person becomes a smear."""

    photo: bool
    """Of canny: the pictures are photographs; their edges are found by OpenCV."""

    thresholds: tuple[float, float]
    """Of canny: for photographs, the weakest gradient that goes on an edge and the weakest that begins one, in units of
    8-bit pixels."""

    prompt_mask: Any
    """Of text: of embeddings, bool or 0 and 1, `(B, length)` or `(length,)`: which positions are words. By default
    all."""

    layout_size: tuple[int, int] | None
    """Of layout: (height, width) of the picture in whose pixels boxes are given. Without it they are relative: (0, 0)
    is the picture's top left corner, (1, 1) the bottom right one."""

    box_format: Literal["xyxy", "xywh", "cxcywh"] | None
    """Of layout: "xyxy" (left, top, right, bottom), which is taken where nothing is said; "xywh" (left, top, width,
    height; as in COCO's files) or "cxcywh" (centre, width, height)."""

    temperature: float
    """Of the sampler: divides the logits; below 1 favours likely codes."""

    top_k: int | None
    """Of the sampler: draw among the k likeliest codes only (the paper's pictures: 100); ``None`` for all."""

    top_p: float
    """Of the sampler: then among the likeliest codes that together reach probability p."""

    guidance_scale: float | dict[str, float]
    """Of the sampler: how far to move from the logits without the condition through those with it; 1 is no guidance.
    Other values need a model that was trained with a dropped condition, and cost twice the work, but for the one that a
    model has learnt (``CondGPTConfig.guidance``). For models with several conditions, a dictionary from a kind's name
    guides by each kind by itself."""

    stride: int
    """Of the sampler: places, down and across, for which a window stays put. 1 is the paper's rule. A larger stride
    saves most of the work but lets a place see less of one side: an approximation."""

    centre: tuple[int, int] | None
    """Of the sampler: row and column inside a window (that no border holds back) of the place it draws; half of the
    window's height and width by default, as in most of the original's scripts. Its scene-layout models need (7, 7)."""

    memory_limit: int | None
    """Of the sampler: bytes of keys and values that may wait for the next row; half of what is free on the device by
    default. Less makes more work where windows serve several rows (a stride, the borders), not other tokens."""

    condition_strength: dict[str, float]
    """Of the sampler: for models with several conditions, from a kind's name to how much it counts, at no further work:
    0 as if it were not given, 1 as in training. Somewhat more than 1 makes pictures follow it more closely."""

    guidance_schedule: float | None
    """Of the sampler: with a number p guidance grows along the raster of a window, from none to guidance_scale s: at
    place t of T it is 1 + (s - 1) · (1 - cos(π · (t / T)^p)) / 2 (RAR; Yu et al. 2024). ``None`` keeps it the same
    everywhere."""

    min_p: float
    """Of the sampler: then among codes at least so likely in relation to the likeliest one (Nguyen et al. 2024); 0 for
    all."""
