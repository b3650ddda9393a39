"""Proving tenant isolation from the policies that Terraform will apply (`docs/proof.md`).

- `policy`: a policy document, read strictly.
- `plan`: the policies of a Terraform plan that bear on tenants' sessions.
- `evaluator`: IAM's rules in plain Python, for one concrete request.
- `encoding`: the same rules for z3, for all requests at once. Written apart from the evaluator.
- `declared`: what may be, apart from the code and the Terraform that are proved.
- `references`: what the expressions of a plan refer to.
- `surroundings`: what else in a plan could lead to tenants' data.
- `search`: requests to try where z3 can't tell.
- `properties`: what is proved.
"""
