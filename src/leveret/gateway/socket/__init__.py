"""The socket: many predictions submitted, watched and canceled on one connection (WebSocket, RFC 6455)."""
