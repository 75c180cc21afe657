"""Webhooks, as far as clients ask for them."""
