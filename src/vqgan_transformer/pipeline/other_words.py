"""What other programs call the arguments of a call, for messages that teach."""

from __future__ import annotations

from collections.abc import Iterable

from ..conditions import KINDS

__all__ = ["advice"]

_RENAMED = {
    "mask": ("mask_image", "inpaint_mask", "masks"),
    "image": ("init_image", "input_image", "source_image", "images"),
    "num_images": ("num_images_per_prompt", "num_samples", "n_samples", "n", "batch_size", "num_return_sequences"),
    "guidance_scale": ("guidance", "cfg", "cfg_scale", "unconditional_guidance_scale"),
    "condition_strength": ("conditioning_scale", "controlnet_conditioning_scale", "strength"),
    "callback": ("callback_on_step_end", "callback_steps"),
    "seed": ("seeds", "random_state", "manual_seed"),
    "size": ("resolution", "image_size", "target_size", "shape"),
    "output_type": ("return_type", "return_tensors", "return_dict"),
    "progress": ("progress_bar", "verbose", "show_progress", "disable_progress_bar"),
}
_MOVED = "A pipeline is moved as a whole, before the call: pipe.to(…)."
_NO_STEPS = "Tokens are drawn one after another, without steps of denoising: see temperature=, top_k= and top_p=."
_NO_TEXT = "This model reads no text."
_WITHOUT = {
    **dict.fromkeys(("device", "dtype", "torch_dtype"), _MOVED),
    **dict.fromkeys(("num_inference_steps", "steps", "eta", "latents", "scheduler", "timesteps", "sigmas"), _NO_STEPS),
    **dict.fromkeys(("prompt", "negative_prompt", "text", "prompt_embeds"), _NO_TEXT),
    **dict.fromkeys(("control_image", "condition", "conditions", "cond"), "A condition is passed by its name."),
}
_KINDS = {name: kind.also_called for name, kind in KINDS.items()}
_HERE = {other: name for name, others in {**_RENAMED, **_KINDS}.items() for other in others}


def advice(name: str, known: Iterable[str]) -> str:
    """A sentence about an argument that other programs have and this call does not; empty for a name without one.

    Args:
        name: of the argument.
        known: the names that can be passed; no other is suggested.
    """
    if name in _HERE and _HERE[name] in known:
        return f" Did you mean {_HERE[name]!r}?"
    return f" {_WITHOUT[name]}" if name in _WITHOUT else ""
