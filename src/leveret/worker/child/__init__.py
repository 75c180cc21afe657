"""The model process: what runs inside it, with the user's model. `python -m leveret.worker.child` starts it."""
