"""Proving tenant isolation from the policies that Terraform will apply (`docs/proof.md`).

- `policy`: a policy document, read strictly.
- `plan`: the policies of a Terraform plan that bear on tenants' sessions.
- `evaluator`: IAM's rules in plain Python, for one concrete request.
- `encoding`: the same rules for z3, for all requests at once. Written apart from the evaluator.
- `properties`: what is proved.
"""
