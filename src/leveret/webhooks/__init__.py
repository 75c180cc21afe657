"""Webhooks: whoever asked to be told what happens to a prediction is called, until they have heard it.

The store marks a prediction with news in the same transaction that makes them; the dispatcher queues an errand for it,
and the teller does the errands. Each step is recorded before the one before it is forgotten.
"""
