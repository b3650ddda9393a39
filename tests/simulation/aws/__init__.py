"""The AWS of the simulation: DynamoDB, S3, CloudWatch Logs and STS in memory, as far as functions use them.

Not moto, of which botocore's and its own way of a request take three quarters of a run's time: here a call is
a call of a method. `tests/simulation/test_aws.py` plays the same calls in both and compares the answers. None
of these modules imports the sources, since mutants of those are loaded after them.
"""
