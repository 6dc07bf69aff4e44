"""The documentation as a site: ``sphinx-build -W docs outputs/site`` (extra ``docs``)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from vqgan_transformer import __version__

project = "vqgan_transformer"
author = "The vqgan_transformer authors"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "html_image"]
autodoc_typehints = "none"  # the signatures have them
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Yields", "returns_style")]
html_theme = "furo"
html_title = "vqgan_transformer"
html_favicon = "../src/vqgan_transformer/demo/page/icon.svg"
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
