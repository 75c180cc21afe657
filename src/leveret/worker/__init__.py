"""The worker: consumes for one model and runs it in processes of its own."""
