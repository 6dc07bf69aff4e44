"""Saving and loading what the package itself writes: folders, the Hugging Face Hub, safetensors. Knows no model."""
