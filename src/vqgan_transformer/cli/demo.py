"""``demo``: the painting page."""

from __future__ import annotations

from typing import Any

from .command import Command, Console
from .options import Option, fields_as_options
from .sources import BUILTIN, load_pipeline, model_options

__all__ = ["DEMO"]


def _options() -> list[Option]:
    from ..demo import DemoConfig

    page_options = fields_as_options(DemoConfig, "page")
    # --token is the page's here; the Hub's goes by the environment (HF_TOKEN)
    return [*(option for option in model_options() if option.name != "token"), *page_options]


def demo(values: dict[str, Any], console: Console) -> None:
    """Serves the page."""
    from ..demo import DemoConfig
    from ..demo.serving import serve

    names = DemoConfig.__dataclass_fields__
    config = DemoConfig(**{name: values.pop(name) for name in [*values] if name in names})
    name = str(values.get("model", BUILTIN))
    pipe = load_pipeline(values)
    serve(
        pipe, config, name=name, tell=lambda address: console.result({"address": address}, f"painting page: {address}")
    )


DEMO = Command(
    "demo",
    "paint in a browser: a page where labels are drawn while the picture appears, and an HTTP API",
    demo,
    _options,
    positional=("model",),
    examples=("vqgan-transformer demo", "vqgan-transformer demo my-pipeline --port 8000 --open-browser"),
)
