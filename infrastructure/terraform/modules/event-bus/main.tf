resource "aws_cloudwatch_event_bus" "this" {
  name = var.context.event_bus_name
}

# Without a pattern it takes every event of the bus, so that any day can be replayed.
resource "aws_cloudwatch_event_archive" "this" {
  name             = var.context.event_bus_name
  description      = "Every event of ${var.context.event_bus_name}, for replay"
  event_source_arn = aws_cloudwatch_event_bus.this.arn
  retention_days   = var.archive_retention_days
}
