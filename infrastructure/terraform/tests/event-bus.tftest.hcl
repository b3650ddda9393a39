provider "aws" {
  region                      = "ap-northeast-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

variables {
  context = {
    event_bus_name = "tenkacloud-dev-tenant-events"
  }
  archive_retention_days = 30
}

run "bus_and_archive" {
  command = plan

  module {
    source = "../modules/event-bus"
  }

  assert {
    condition     = aws_cloudwatch_event_bus.this.name == "tenkacloud-dev-tenant-events" && output.name == "tenkacloud-dev-tenant-events"
    error_message = "The bus must have the name it was given."
  }

  assert {
    condition = (
      aws_cloudwatch_event_archive.this.name == "tenkacloud-dev-tenant-events"
      && aws_cloudwatch_event_archive.this.retention_days == 30
    )
    error_message = "The archive must be named after the bus and keep events as long as was asked."
  }

  assert {
    condition     = aws_cloudwatch_event_archive.this.event_pattern == null
    error_message = "The archive must take every event."
  }
}

run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/event-bus"
  }

  variables {
    archive_retention_days = 0
  }

  expect_failures = [
    var.archive_retention_days,
  ]
}
