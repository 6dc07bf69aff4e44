"""What `evaluate_builtin.py` measures the built-in model with; `train_readers.py` trains the networks of it."""
