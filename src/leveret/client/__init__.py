"""The client: Leveret's HTTP API for programs that are not the gateway."""
