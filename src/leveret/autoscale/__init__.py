"""Autoscale: as many workers on this machine as the models that it has charge of want."""
