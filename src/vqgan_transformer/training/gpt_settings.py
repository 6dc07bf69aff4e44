"""How a CondGPT is trained: the paper's recipe, a modern one, and one that starts from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from .setting_ranges import check_numbers, checked_number
from .shared_settings import FINETUNING_STEPS, Training

__all__ = ["GPTTraining"]


@dataclass(frozen=True, kw_only=True)
class GPTTraining(Training):
    """How a CondGPT is trained; the further arguments are those of :class:`Training`.

    Args:
        pkeep: probability with which a token that the model reads stays; the others become random ones. Targets stay.
            ``None``: what the GPT's config says.
        condition_dropout: probability with which a sample's condition is dropped, for guidance; where there are several
            kinds, all at once but those that are always known, such as coordinates. A prefix GPT needs a ``null_token`` then.
        kind_dropout: where there are several kinds, the probability with which each is dropped by itself, beside that:
            what lets a user give some kinds and not others. A number is for all but those that are always known. A dictionary
            has the probabilities by the kinds' names; what it leaves out is not dropped by itself.
        crude_maps: share of the samples whose label maps are drawn crudely beside the true picture: as boxes, blobs, sticks,
            cells, with smooth or ragged edges, holes, small things missing or places unlabelled. Then a model also
            follows maps that people paint, segmenters give and planners draw. Validation is on the maps as they are.
        token_variants: so many crops and flips of each picture are encoded before training, once; 0 encodes every
            batch anew.
        structured_tables: a new GPT learns embedding, head and positions as sums in which similar codes and neighbouring
            places share; they are folded into ordinary tables when saved.
        distill_guidance: learn the logits that the GPT of ``init=`` has with the guidance and strengths of its sampler, so that
            one pass paints what took two (Meng et al. 2023). Nats are then the distance from these logits. Needs ``init``. Keep
            ``condition_dropout`` above 0, so that the result can still be guided by other scales.
        sample_top_k: of the samples in the picture grids.
        evaluate_every: steps between evaluations, which write FID, KID, precision and recall of a few samples against
            held-out pictures as the tokenizer gives them back, always of the same conditions and seeds; ``None``: never.
            Such numbers of few pictures compare steps of a run, and with nothing else. Needs the extra ``evaluate``.
        evaluate_samples: so many.
        evaluate_inception: a file with the weights of Inception; by default the published ones, downloaded when first used.
    """

    OPERATIONAL: ClassVar[tuple[str, ...]] = (
        *Training.OPERATIONAL, "evaluate_every", "evaluate_samples", "evaluate_inception",
    )  # fmt: skip

    optimizer: Literal["adam", "adamw", "muon"] = "adamw"
    weight_decay: float = 0.01
    pkeep: float | None = None
    condition_dropout: float = 0.0
    kind_dropout: float | Mapping[str, float] = 0.3
    crude_maps: float = 0.0
    token_variants: int = 4
    structured_tables: bool = False
    distill_guidance: bool = False
    sample_top_k: int = 100
    evaluate_every: int | None = None
    evaluate_samples: int = 64
    evaluate_inception: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers(self, int, {"token_variants": "[0, inf)", "sample_top_k": "[1, inf)"})
        check_numbers(self, int, {"evaluate_every": "[1, inf)", "evaluate_samples": "[5, inf)"})
        check_numbers(self, float, {"pkeep": "(0, 1]", "condition_dropout": "[0, 1)", "crude_maps": "[0, 1]"})
        if not isinstance(self.kind_dropout, Mapping):
            check_numbers(self, float, {"kind_dropout": "[0, 1)"})
            return
        for kind, rate in self.kind_dropout.items():
            checked_number(f"kind_dropout[{kind!r}]", rate, float, "[0, 1)")

    @classmethod
    def paper(cls, **changes: Any) -> GPTTraining:
        """The recipe of the original: AdamW without schedule, a rate that grows with the batch."""
        return cls(**{"learning_rate": 4.5e-6, "scale_learning_rate": True, **changes})

    @classmethod
    def modern(cls, **changes: Any) -> GPTTraining:
        """What learns faster; docs/training.md has the evidence for each ingredient."""
        steps = changes.get("max_steps", cls.max_steps)
        recipe: dict[str, Any] = {
            "optimizer": "muon",
            "learning_rate": 1.5e-3,
            "schedule": "cosine",
            "warmup_steps": min(1000, steps // 30),
            "clip_gradients": 1.0,
            "ema_decay": 0.999,
            "structured_tables": True,
        }
        return cls(**{**recipe, **changes})

    @classmethod
    def finetune(cls, **changes: Any) -> GPTTraining:
        """For ``init=``: a low rate that rises slowly and falls along a cosine, tables as they are."""
        steps = changes.get("max_steps", FINETUNING_STEPS)
        recipe: dict[str, Any] = {
            "max_steps": steps,
            "learning_rate": 1e-4,
            "schedule": "cosine",
            "warmup_steps": min(500, steps // 10),
            "clip_gradients": 1.0,
            "ema_decay": 0.999,
        }
        return cls(**{**recipe, **changes})
