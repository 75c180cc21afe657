"""The store and the blobs of a worker that reaches neither, but a gateway."""
