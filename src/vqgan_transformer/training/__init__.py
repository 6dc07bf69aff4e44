"""Training both stages: `train_vqgan` in vqgan_training.py, `train_cond_gpt` in gpt_training.py."""
