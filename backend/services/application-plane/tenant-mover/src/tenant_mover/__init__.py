"""Application plane: moves and exports tenants' objects, in slices (`docs/lifecycle.md`).

The function holds no permission on tenants' data: it acts through sessions of the tenant maintenance role.
"""
