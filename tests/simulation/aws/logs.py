"""CloudWatch Logs: log groups."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.aws.errors import EXCEPTIONS, error


@dataclass
class LogGroup:
    """A log group: its tags, and how many days it keeps what it holds."""

    tags: dict[str, str] = field(default_factory=dict)
    retention: int | None = None


@dataclass
class Logs:
    """A client of CloudWatch Logs."""

    groups: dict[str, LogGroup] = field(default_factory=dict)
    exceptions: Any = EXCEPTIONS

    def create_log_group(self, **arguments: Any) -> dict[str, Any]:
        """CreateLogGroup."""
        if arguments["logGroupName"] in self.groups:
            raise error("ResourceAlreadyExistsException", "CreateLogGroup")
        self.groups[arguments["logGroupName"]] = LogGroup(dict(arguments.get("tags", {})))
        return {}

    def delete_log_group(self, **arguments: Any) -> dict[str, Any]:
        """DeleteLogGroup."""
        self._group("DeleteLogGroup", arguments["logGroupName"])
        del self.groups[arguments["logGroupName"]]
        return {}

    def put_retention_policy(self, **arguments: Any) -> dict[str, Any]:
        """PutRetentionPolicy."""
        group = self._group("PutRetentionPolicy", arguments["logGroupName"])
        group.retention = arguments["retentionInDays"]
        return {}

    def describe_log_groups(self, **arguments: Any) -> dict[str, Any]:
        """DescribeLogGroups, by a prefix."""
        prefix = arguments.get("logGroupNamePrefix", "")
        return {
            "logGroups": [
                {
                    "logGroupName": name,
                    "arn": f"arn:aws:logs:log-group:{name}:*",
                    "logGroupArn": f"arn:aws:logs:log-group:{name}",
                    **({"retentionInDays": group.retention} if group.retention else {}),
                }
                for name, group in sorted(self.groups.items())
                if name.startswith(prefix)
            ]
        }

    def describe_log_streams(self, **arguments: Any) -> dict[str, Any]:
        """DescribeLogStreams: nobody writes any."""
        self._group("DescribeLogStreams", arguments["logGroupName"])
        return {"logStreams": []}

    def tag_resource(self, **arguments: Any) -> dict[str, Any]:
        """TagResource."""
        self._group("TagResource", _name(arguments)).tags.update(arguments["tags"])
        return {}

    def list_tags_for_resource(self, **arguments: Any) -> dict[str, Any]:
        """ListTagsForResource."""
        return {"tags": dict(self._group("ListTagsForResource", _name(arguments)).tags)}

    def _group(self, operation: str, name: str) -> LogGroup:
        if name not in self.groups:
            raise error("ResourceNotFoundException", operation)
        return self.groups[name]


def _name(arguments: Mapping[str, Any]) -> str:
    name: str = arguments["resourceArn"].partition(":log-group:")[2]
    return name.removesuffix(":*")
