# The consumer's resources stood in this module. Can go once every environment was applied with this.
moved {
  from = module.function
  to   = module.consumer.module.function
}

moved {
  from = aws_cloudwatch_event_rule.schedule
  to   = module.consumer.aws_cloudwatch_event_rule.this
}

moved {
  from = aws_cloudwatch_event_target.reconciler
  to   = module.consumer.aws_cloudwatch_event_target.this
}

moved {
  from = aws_lambda_permission.schedule
  to   = module.consumer.aws_lambda_permission.this
}

moved {
  from = aws_lambda_function_event_invoke_config.this
  to   = module.consumer.aws_lambda_function_event_invoke_config.this
}
