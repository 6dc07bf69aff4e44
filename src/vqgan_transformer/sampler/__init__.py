"""From logits to a token grid of any size."""

from .sampler import SamplerConfig, SlidingWindowSampler

__all__ = ["SamplerConfig", "SlidingWindowSampler"]
