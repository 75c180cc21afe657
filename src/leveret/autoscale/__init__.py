"""Autoscale: as many workers on this machine as the models on duty want."""
