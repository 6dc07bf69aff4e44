"""Folders, files and the Hugging Face Hub: how models are saved, shared and read back."""
