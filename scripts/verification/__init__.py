"""Checks of a deployment: flow, isolation, proof, least privilege, chaos."""
