"""Tenants' objects in S3: listed, compared, copied and purged, a bounded piece at a time.

Everything here is handed a client; whoever calls it brings one of a session that may act for one tenant only.
Keys are relative: to a prefix of the data bucket, or to a bucket of the tenant's own.
"""
