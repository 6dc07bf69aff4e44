"""The README.md that a saved checkpoint gets when it has none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["write_model_card"]

CARD = """---
{data}
---

# {class_name}

Saved with `vqgan_transformer`.

```python
from vqgan_transformer import {class_name}

{variable} = {class_name}.from_pretrained("owner/name")
```
"""


def write_model_card(
    folder: Path,
    class_name: str,
    *,
    pipeline_tag: str | None = None,
    facts: Mapping[str, str] | None = None,
    licence: str | None = None,
    licence_name: str | None = None,
    licence_link: str | None = None,
    base_model: str | None = None,
) -> None:
    """Writes README.md.

    Args:
        folder: where.
        class_name: the class that loads the checkpoint.
        pipeline_tag: the task it is listed under on the Hub, e.g. "image-to-image".
        facts: rows of a table, e.g. ``{"conditions": "segmentation"}``.
        licence: of the weights, by its identifier on the Hub, e.g. "mit" or "other".
        licence_name: what a licence of their own is called, for the identifier "other".
        licence_link: where that can be read.
        base_model: the id of the repository on the Hub that the weights come from.
    """
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        library_name="vqgan_transformer",
        pipeline_tag=pipeline_tag,
        license=licence,
        license_name=licence_name,
        license_link=licence_link,
        base_model=base_model,
        tags=["vqgan", "taming-transformers"],
    )
    variable = "pipe" if class_name.endswith("Pipeline") else class_name.lower()
    text = CARD.format(data=data.to_yaml(), class_name=class_name, variable=variable)
    if facts:
        text += "\n| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in facts.items())
    (folder / "README.md").write_text(text, encoding="utf-8")
