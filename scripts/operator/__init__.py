"""The operator's tool, `tenkacloud`: tenants, dead-letter messages, replays and repairs of one environment.

`commands/` says what the user may type, and prints; the modules beside it do the work, and print nothing.
What is typed is parsed without boto3, so that help and completion are quick.
"""
