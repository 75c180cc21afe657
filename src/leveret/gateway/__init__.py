"""The HTTP gateway: stateless, any number of replicas. It knows the broker and the store only through their ports."""
