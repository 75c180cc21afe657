"""The worker API: what workers ask for that have a key in place of the store's password."""
