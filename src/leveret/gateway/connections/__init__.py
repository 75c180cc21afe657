"""Connections: the server's side of each, within bounds that a client cannot make it leave."""
