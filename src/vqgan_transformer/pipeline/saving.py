"""A pipeline as a folder or a repository: loading, saving, uploading."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..conditions import KINDS
from ..errors import CheckpointError
from ..gpt.model import CondGPT
from ..sampler.sampler import SlidingWindowSampler
from ..slots import foreign_formats
from ..storage.pipeline_folder import is_pipeline, read_index, save_components
from ..storage.pretrained import Pretrained, refuse_options, upload
from ..storage.provenance import Provenance, provenance
from ..storage.short_names import by_short_name, located
from ..storage.source import Origin
from ..storage.weights import resolve_dtype
from ..vqgan.model import VQGAN
from .parts import PipelineParts
from .planner import LabelPlanner

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["SavedPipeline"]

_PARTS: tuple[type[Pretrained], ...] = (VQGAN, CondGPT, LabelPlanner, SlidingWindowSampler, *KINDS.values())


class SavedPipeline(PipelineParts):
    """Saving and loading for the parts of a pipeline.

    Attributes:
        source: where its weights come from, once it is loaded; each part has its own.
    """

    source: Provenance | None = None

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str],
        *,
        subfolder: str | None = None,
        filename: str | None = None,
        format: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        dtype: torch.dtype | str | None = None,
        torch_dtype: torch.dtype | str | None = None,
        device: torch.device | str | None = None,
        **options: Any,
    ) -> Self:
        """Loads a saved pipeline, or a checkpoint of another program that holds all parts of one.

        Arguments and errors are those of ``VQGAN.from_pretrained``.
        """
        wanted = resolve_dtype(dtype, torch_dtype)
        origin = Origin(source, subfolder, filename, revision, token, cache_dir, local_files_only)
        origin, options = by_short_name(origin, cls.__name__, options)
        path = located(origin, cls.__name__)
        source_of_weights = provenance(path)
        known = {part.__name__: part for part in _PARTS}
        if is_pipeline(path):
            refuse_options(options, cls.from_pretrained)
            classes = read_index(path, cls.__name__, known)
            loaded: dict[str, Any] = {
                part: kind.from_pretrained(path / part, dtype=wanted, device=device) for part, kind in classes.items()
            }
        else:
            source_of_weights.warn()
            foreign = foreign_formats().read(path, cls.__name__, options, format=format)
            loaded = {
                part: known[name].assemble(config, tensors, dtype=wanted, device=device, where=f"{path} ({part})")
                for part, (name, config, tensors, *_) in foreign.items()
            }
            for part, (*_, file) in foreign.items():  # of parts in files of their own
                if isinstance(file, Path):
                    loaded[part].source = provenance(file)
                    loaded[part].source.warn()
        loaded.setdefault("sampler", SlidingWindowSampler())
        for part, kind in (("vqgan", VQGAN), ("gpt", CondGPT), ("sampler", SlidingWindowSampler)):
            if not isinstance(loaded.get(part), kind):
                raise CheckpointError(f"the pipeline in {path} has no {kind.__name__} in a folder {part!r}.")
        parts = {name: loaded.pop(name) for name in ("vqgan", "gpt", "sampler", "planner") if name in loaded}
        pipe = cls(**parts, conditions=tuple(loaded.values()))
        for part in (pipe, *pipe.components.values()):
            part.source = part.source or source_of_weights
        return pipe

    def save_pretrained(
        self,
        folder: str | os.PathLike[str],
        *,
        dtype: torch.dtype | str | None = None,
        max_shard_size: int | str = "5GB",
        metadata: Mapping[str, str] | None = None,
    ) -> Path:
        """Writes model_index.json, a folder for each part, and a model card where there is none.

        The folder is complete or as it was before. Arguments are those of ``VQGAN.save_pretrained``.
        """
        folder = Path(folder).expanduser()
        save_components(
            folder,
            type(self).__name__,
            self.components,
            dtype=resolve_dtype(dtype),
            max_shard_size=max_shard_size,
            metadata=metadata,
            card=self.facts,
        )
        return folder

    def push_to_hub(
        self,
        repo_id: str,
        *,
        token: str | bool | None = None,
        private: bool | None = None,
        commit_message: str = "Upload with vqgan_transformer",
        revision: str | None = None,
    ) -> str:
        """Uploads what :meth:`save_pretrained` writes; arguments and result are those of ``VQGAN.push_to_hub``."""
        with tempfile.TemporaryDirectory() as temporary:
            folder = self.save_pretrained(Path(temporary) / "pipeline")
            return upload(
                folder, repo_id, token=token, private=private, commit_message=commit_message, revision=revision
            )
