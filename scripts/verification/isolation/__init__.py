"""Tenant isolation, tried live: real sessions try every action on their own data and on everybody else's.

- `probe`: sessions of the tenant access role, started as the trusted function starts them.
- `datasets`: what each tenant has, and whether it is still so afterwards.
- `access_cases`: what is tried, and what has to come of it.
- `matrix`: who tries what on whose data, and the report.
- `over_http`: the same question put to the HTTP API.
"""
