"""Application plane: deletes all that a tenant has, and looks whether it is gone (`docs/lifecycle.md`).

The function holds no permission on tenants' data: it acts through sessions of the tenant maintenance role.
"""
