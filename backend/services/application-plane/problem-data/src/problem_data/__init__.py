"""Application plane: the problems of a tenant's competitions, behind an HTTP API (`docs/problem-data.md`).

A pooled function for pooled and siloed tenants alike: it holds no permission on any data of its own, and
reaches a tenant's only through that tenant's session.
"""
