"""How the checkpoint `builtin:scenes` is made, a step a file: data, loop, tokenizers, generator, pipeline."""
