"""The client: Leveret's HTTP API for programs that are not the gateway.

`Client` blocks, `AsyncClient` is for event loops; both do the same, and what they do stands once, in `api.py` and the
modules below it.
"""

from leveret.client.answers import Model, Queue, Scale
from leveret.client.async_client import AsyncClient, AsyncHandle
from leveret.client.client import Client, Handle
from leveret.client.options import Options
from leveret.client.prediction import JSON, ModelFailed, Place, Prediction, PredictionCanceled
from leveret.client.webhooks import received

__all__ = [
    "JSON",
    "AsyncClient",
    "AsyncHandle",
    "Client",
    "Handle",
    "Model",
    "ModelFailed",
    "Options",
    "Place",
    "Prediction",
    "PredictionCanceled",
    "Queue",
    "Scale",
    "received",
]
