# %% [markdown]
# # Your own labels in 30 minutes
#
# From a folder of pictures and label maps to a model that paints from such maps. Put your own folder in the place of
# `data`: `images/` with the pictures, and `segmentations/` with label maps of the same file names, whose pixels are the
# numbers 0, 1, 2, … of your labels. Here, both come from procedural landscapes, so that everything runs as it stands.
#
# With the numbers below it takes about half an hour of one CPU core (a step of either stage 0.3 to 0.4 seconds). Photographs
# want more: larger models, more steps, a GPU. Nothing else changes.

# %%
from pathlib import Path

import numpy as np
from PIL import Image

from vqgan_transformer.scenes import LABELS, make_scene

data, names = Path("own_labels/data"), sorted(LABELS, key=LABELS.get)
pictures = 400
for folder in ("images", "segmentations"):
    (data / folder).mkdir(parents=True, exist_ok=True)
for seed in range(pictures):
    scene = make_scene(seed, size=(128, 192))
    labels = np.searchsorted([LABELS[name] for name in names], scene.segmentation)
    Image.fromarray(scene.image).save(data / "images" / f"{seed}.png")
    Image.fromarray(labels.astype(np.uint8)).save(data / "segmentations" / f"{seed}.png")

# %% [markdown]
# ## First stage: a tokenizer of your pictures
#
# `perceptual="random"` needs no download; with `"vgg"` pictures become sharper. Look at `own_labels/vqgan/pictures` while it
# trains: reconstructions should look like the pictures before you go on.

# %%
from vqgan_transformer import VQGANConfig, VQGANTraining, train_vqgan

steps = 2_000
vqgan = train_vqgan(
    data / "images",
    "own_labels/vqgan",
    config=VQGANConfig.modern(channels=24, channel_multipliers=(1, 2, 4), num_res_blocks=1, decoder_res_blocks=1),
    training=VQGANTraining.modern(max_steps=steps, batch_size=8, crop_size=96, perceptual="random"),
    resume=True,
)

# %% [markdown]
# ## Second stage: a GPT that follows your labels
#
# The aligned form reads label maps directly and paints large pictures quickly. `condition_dropout` makes guidance possible.

# %%
from vqgan_transformer import GPTTraining, SegmentationCondition, fitting_config, train_cond_gpt

condition = SegmentationCondition(labels=names)
training = GPTTraining.modern(max_steps=steps, batch_size=8, crop_size=96, condition_dropout=0.1)
pipe = train_cond_gpt(
    data,
    "own_labels/gpt",
    vqgan=vqgan,
    condition=condition,
    training=training,
    config=fitting_config(vqgan, [condition], training, conditioning="aligned", n_layer=6, n_head=4, n_embd=192),
    resume=True,
)

# %% [markdown]
# ## Paint
#
# Any size, also larger than the crops. `vqgan-transformer demo own_labels/gpt` draws with your labels in the browser.

# %%
labels = np.full((256, 384), names.index("sky-other"))
labels[130:] = names.index("grass")
labels[90:180, 60:130] = names.index("tree")
out = pipe(segmentation=labels, seed=0, guidance_scale=2.0)
out.images[0].save("own_labels/picture.png")
