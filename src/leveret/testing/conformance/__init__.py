"""The suites that every Broker, Store and Blobs must pass."""
