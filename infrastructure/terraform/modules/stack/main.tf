locals {
  context = module.context.context

  # Every service of the stack, under its name. Whatever is about all of them goes by this map.
  services = {
    provisioning            = module.provisioning
    tenant-provisioner      = module.tenant_provisioner
    tenant-mover            = module.tenant_mover
    tenant-deprovisioner    = module.tenant_deprovisioner
    provisioning-completion = module.provisioning_completion
    reconciler              = module.reconciler
    canary                  = module.canary
    problem-data            = module.problem_data
  }

  # The services that act for tenants, and those that do maintenance on their data. Names, since the roles
  # and their functions need each other.
  tenant_services      = ["problem-data"]
  maintenance_services = ["tenant-mover", "tenant-deprovisioner"]

  application_role_arn_prefix = "arn:${local.context.partition}:iam::${local.context.account_id}:role/tenkacloud/${local.context.environment}/application-plane/${local.context.name_prefix}-"
}

module "context" {
  source = "../context"

  environment        = var.environment
  profile            = var.profile
  zip_path           = var.zip_path
  log_retention_days = var.log_retention_days
  log_level          = var.log_level

  drain_seconds              = var.drain_seconds
  retire_after_seconds       = var.retire_after_seconds
  verify_again_after_seconds = var.verify_again_after_seconds
}

module "tenant_table" {
  source = "../tenant-table"

  context      = local.context
  protect_data = !local.context.disposable
}

module "tenant_data_table" {
  source = "../tenant-data-table"

  context      = local.context
  protect_data = !local.context.disposable
}

module "event_bus" {
  source = "../event-bus"

  context                = local.context
  archive_retention_days = var.archive_retention_days
}

module "data_bucket" {
  source = "../data-bucket"

  context       = local.context
  force_destroy = local.context.disposable
}

module "exports_bucket" {
  source = "../exports-bucket"

  context        = local.context
  force_destroy  = local.context.disposable
  retention_days = var.export_retention_days
}

module "tenant_access" {
  source = "../tenant-access"

  context = local.context

  trusted_role_arns = [for service in local.tenant_services : "${local.application_role_arn_prefix}${service}"]
}

module "tenant_maintenance" {
  source = "../tenant-maintenance"

  context = local.context

  trusted_role_arns = [for service in local.maintenance_services : "${local.application_role_arn_prefix}${service}"]
}

module "tenant_resources" {
  source = "../tenant-resources"

  context = local.context
}

module "provisioning" {
  source = "../provisioning"

  context    = local.context
  stream_arn = module.tenant_table.stream_arn
}

module "tenant_provisioner" {
  source = "../tenant-provisioner"

  context               = local.context
  event_bus_name        = module.event_bus.name
  resources_policy_json = module.tenant_resources.ensure_policy_json
}

module "tenant_mover" {
  source = "../tenant-mover"

  context                   = local.context
  event_bus_name            = module.event_bus.name
  resources_policy_json     = module.tenant_resources.move_policy_json
  multipart_threshold_bytes = var.multipart_threshold_bytes
}

module "tenant_deprovisioner" {
  source = "../tenant-deprovisioner"

  context               = local.context
  event_bus_name        = module.event_bus.name
  resources_policy_json = module.tenant_resources.offboard_policy_json
}

module "provisioning_completion" {
  source = "../provisioning-completion"

  context        = local.context
  event_bus_name = module.event_bus.name
}

module "reconciler" {
  source = "../reconciler"

  context               = local.context
  stuck_after_seconds   = var.stuck_after_seconds
  automatic_retries_max = var.automatic_retries_max
  period_minutes        = var.sweep_period_minutes
  export_retention_days = var.export_retention_days
}

module "canary" {
  source = "../canary"

  context        = local.context
  period_minutes = var.canary_period_minutes
  scheduled      = local.context.on_aws
}

module "tenant_api" {
  source = "../http-api"

  context      = local.context
  name         = "${local.context.name_prefix}-tenant-api"
  description  = "What the tenants' clients call"
  jwt_issuer   = var.jwt_issuer
  jwt_audience = var.jwt_audience
}

module "problem_data" {
  source = "../problem-data"

  context      = local.context
  api          = module.tenant_api.api
  tenant_claim = var.tenant_claim
}

module "monitoring" {
  source = "../monitoring"
  count  = local.context.on_aws ? 1 : 0

  context          = local.context
  services         = local.services
  alarm_topic_arns = var.alarm_topic_arns
}

# These two alarms were resources of their own. Can go once every environment was applied with this.
moved {
  from = module.monitoring[0].aws_cloudwatch_metric_alarm.reconciler_silent
  to   = module.monitoring[0].aws_cloudwatch_metric_alarm.this["reconciler-silent"]
}

moved {
  from = module.monitoring[0].aws_cloudwatch_metric_alarm.canary
  to   = module.monitoring[0].aws_cloudwatch_metric_alarm.this["canary"]
}
