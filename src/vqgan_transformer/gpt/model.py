"""CondGPT: from the tokens so far to the logits of the next one (paper, section 3.2).

The class is made of parts that a config chooses independently: how conditions enter (:mod:`.token_conditioning`,
:mod:`.dictionary_conditioning`), and whether windows are read as sequences or whole grids by neighbourhoods
(:mod:`.window_form`, :mod:`.neighbourhood_form`). In the paper's form the sequence is [condition tokens, image tokens],
where both index one table of embeddings, so a condition's token 17 and an image's token 17 share a vector and are told
apart by their positions; ``condition_vocab_size`` gives conditions a table of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ..storage.pretrained import Pretrained
from .attention import GPTCache
from .conditioning import Conditioning
from .config import CondGPTConfig
from .dictionary_conditioning import DictionaryConditioning
from .form import Form
from .grid_decoder import GridDecoder
from .neighbourhood_form import NeighbourhoodForm
from .picture_encoder import PictureFeatures
from .token_conditioning import TokenConditioning
from .transformer import Transformer
from .window_form import WindowForm

__all__ = ["CondGPT", "CondGPTConfig"]


class CondGPT(Pretrained, Transformer):
    """A decoder-only transformer that scores the next token of an image, given a condition.

    Where ``config.conditioning`` is "prefix", as in the paper, a condition is tokens that stand in front of the image's:
    integers (B, C), a grid (B, h', w'), or one for each image (B,), such as its class. Where it is "aligned", a condition
    is a dictionary: of the kinds in ``config.conditions``, any that there are, from a kind's name to its map at pixel
    resolution, class, picture, embeddings or known tokens (see :class:`ConditionInput`).

    Attributes:
        conditioning: how conditions enter: checks them, drops them, and says what guidance compares.

    Example:
        >>> gpt = CondGPT(CondGPTConfig(vocab_size=64, block_size=512, n_layer=1, n_head=2, n_embd=32))
        >>> tokens = condition = torch.zeros(1, 16, 16, dtype=torch.long)
        >>> tuple(gpt(tokens, condition).shape)
        (1, 16, 16, 64)
    """

    config_class: ClassVar[type] = CondGPTConfig
    conditioning: Conditioning
    form: Form

    def __init__(self, config: CondGPTConfig):
        super().__init__(config)
        if config.conditioning == "prefix":
            self.conditioning = TokenConditioning(self)
            self.form = WindowForm(self, self.conditioning)
        else:
            self.conditioning = by_name = DictionaryConditioning(self, self.aligned)
            windows = config.attention == "full"
            self.form = WindowForm(self, by_name) if windows else NeighbourhoodForm(self, self.aligned, by_name)

    def forward(
        self,
        tokens: Tensor,
        condition: Any,
        *,
        strength: Mapping[str, float] | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """Scores every token of an image, each given the condition and the tokens before it.

        Args:
            tokens: integers (B, T), or a grid (B, h, w) that is read in raster order. A model with neighbourhoods takes
                grids, of any size.
            condition: tokens or a dictionary, as the model has it.
            strength: for a dictionary, by name: how much a condition counts, 0 as if it were unknown, 1 as in training.
            size: (h, w) of the window that tokens (B, T) are the beginning of, where it is another than
                ``config.window`` and no map says it.

        Returns:
            float (B, T, V) or (B, h, w, V): ``logits[:, k]`` scores ``tokens[:, k]`` and depends on the condition and
            ``tokens[:, :k]`` only.

        Raises:
            TypeError: for a condition that is not as the model has it, or of another type of numbers.
            ValueError: where batches or sizes differ, or the sequence is longer than ``block_size``.
        """
        return self.form.score(tokens, condition, strength, size)

    def start(
        self,
        condition: Any,
        *,
        capacity: int | None = None,
        size: tuple[int, int] | None = None,
        batch: int | None = None,
        strength: Mapping[str, float] | None = None,
    ) -> GPTCache:
        """Reads a window's condition and remembers it (prefill); for models that read windows.

        Args:
            condition: tokens or a dictionary, as the model has it.
            capacity: positions to make room for, those in front included, for which there is room at any rate; by default
                those of one window, which are C + h·w - 1, since the last token is never read.
            size: (h, w) of the window in tokens, where it is another than ``config.window`` and no map says it.
            batch: number of windows, where there is no condition to say it; 1 by default.
            strength: as for :meth:`forward`.

        Returns:
            a cache for :meth:`extend`, of the C positions in front.

        Raises:
            TypeError: for a condition that is not as the model has it, or a model with neighbourhoods.
            ValueError: for conditions that do not fit the model or each other.
        """
        return self.form.start(condition, capacity, size, batch, strength)

    def extend(self, cache: GPTCache | Sequence[GPTCache], tokens: Tensor) -> Tensor:
        """Reads further tokens of a window and scores what is next (decode); for models that read windows.

        Args:
            cache: from :meth:`start`; it remembers the tokens afterwards. Also several, which may hold different
                numbers of positions: their rows make the batch, one cache after the other.
            tokens: integers (B, T) that follow what the caches hold; T may be 0.

        Returns:
            float (B, V), the logits of the token after the last one read.

        Raises:
            TypeError: for a model with neighbourhoods.
            ValueError: where a cache has no room for the tokens.
        """
        return self.form.extend(cache, tokens)

    def start_grid(
        self,
        conditions: Mapping[str, Tensor],
        *,
        size: tuple[int, int] | None = None,
        batch: int | None = None,
        strength: Mapping[str, float] | None = None,
    ) -> GridDecoder:
        """Reads a grid's conditions, of any size, to draw it line by line; for models with neighbourhoods.

        Args:
            conditions: by name.
            size: (h, w) of the token grid; may be left out where a map says it.
            batch: the number of grids, where there is no condition to say it; 1 by default.
            strength: as for :meth:`forward`.

        Returns:
            what says which places are due, and scores them.

        Raises:
            TypeError: for conditions that are not as the model has them, or a model that reads windows.
            ValueError: for conditions that do not fit the model or each other, and where the size is lacking.
        """
        return self.form.start_grid(conditions, size, batch, strength)

    def window_for(self, size: tuple[int, int]) -> tuple[int, int]:
        """The window, (height, width) in tokens, in which a grid of a size is drawn; it may be larger than the grid.

        Args:
            size: (h, w) of the token grid.
        """
        return self.form.window_for(size)

    def drop_condition(self, condition: Any, drop: Tensor | Mapping[str, Tensor]) -> Any:
        """A batch's condition, with none in its place for some pictures: what training for guidance needs.

        Args:
            condition: tokens or a dictionary, as the model has it.
            drop: bool (B,), True where the condition is dropped; or (B, K), a column for each kind but known tokens, in
                the order of the config. For a dictionary another gives each kind its own; kinds left out stay.

        Raises:
            ValueError: for a model that reads tokens and has no null token.
        """
        return self.conditioning.drop(condition, drop)

    def null_condition(self, condition: Any) -> Any:
        """What stands for "no condition" in place of one: of the same shape, null tokens, or nothing known.

        Raises:
            ValueError: for a model that was trained without dropping its condition.
        """
        return self.conditioning.null(condition)

    def control_features(self, name: str, pictures: Tensor) -> Tensor:
        """What a model sees of pictures that it follows, before any block has its share of it.

        Args:
            name: of a condition of the form "picture".
            pictures: float (B, 3, H, W) in [-1, 1], whose sides are multiples of ``config.downsample_factor``.

        Returns:
            float (B, h·w, n_embd), a feature for each place of the token grid.

        Raises:
            KeyError: for a name that is none of such a condition.
        """
        kinds = [kind.name for kind in self.config.conditions if kind.form == "picture"]
        if name not in kinds:
            raise KeyError(f"this GPT follows the pictures {kinds}, not {name!r}.")
        read: PictureFeatures = self.aligned.pictures[name]  # type: ignore[assignment]  # a ModuleDict forgets types
        return read.control(pictures).flatten(1, 2)

    def parameter_groups(self, weight_decay: float = 0.01) -> list[dict[str, Any]]:
        """Parameters for AdamW, as the original groups them: decay for the weights of linear layers, none for others.

        Args:
            weight_decay: the decay of the first group.
        """
        decayed = {id(module.weight) for module in self.modules() if isinstance(module, nn.Linear)}
        parameters = list(self.parameters())
        return [
            {"params": [p for p in parameters if id(p) in decayed], "weight_decay": weight_decay},
            {"params": [p for p in parameters if id(p) not in decayed], "weight_decay": 0.0},
        ]
