output "alarm_names" {
  description = "Names of the alarms."
  value       = [for alarm in concat(values(aws_cloudwatch_metric_alarm.this), values(aws_cloudwatch_metric_alarm.loss)) : alarm.alarm_name]
}

output "alarms" {
  description = "What each alarm of one metric looks at, and when it is raised, by its name without the prefix."
  value = {
    for name, alarm in aws_cloudwatch_metric_alarm.this : name =>
    "${alarm.statistic} of ${alarm.namespace} ${alarm.metric_name} of ${one(values(alarm.dimensions))} ${alarm.comparison_operator} ${alarm.threshold}, ${alarm.evaluation_periods} x ${alarm.period} s, ${alarm.treat_missing_data}"
  }
}

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "dashboard_body" {
  description = "What the dashboard shows, in JSON."
  value       = aws_cloudwatch_dashboard.this.dashboard_body
}
