data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.name
  partition  = data.aws_partition.current.partition

  name_prefix      = "tenkacloud-${var.environment}"
  data_bucket_name = "tenkacloud-data-${var.environment}${var.append_account_id_to_bucket ? "-${local.account_id}" : ""}"

  functions = {
    provisioning            = module.provisioning
    tenant-provisioner      = module.tenant_provisioner
    provisioning-completion = module.provisioning_completion
    reconciler              = module.reconciler
    canary                  = module.canary
    problem-data            = module.problem_data
  }

  # The functions that nobody waits for: what they fail on is kept.
  queued = ["provisioning", "tenant-provisioner", "provisioning-completion"]

  # The functions that act for tenants. Names, since the role and the functions need each other.
  tenant_services = ["problem-data"]
}

module "tenant_table" {
  source = "../tenant-table"

  table_name   = "TenkaCloud-${var.environment}"
  protect_data = var.protect_data
}

module "tenant_data_table" {
  source = "../tenant-data-table"

  table_name   = "TenkaCloud-${var.environment}-tenant-data"
  protect_data = var.protect_data
}

module "event_bus" {
  source = "../event-bus"

  name                   = "${local.name_prefix}-tenant-events"
  archive_retention_days = var.archive_retention_days
}

module "data_bucket" {
  source = "../data-bucket"

  bucket_name   = local.data_bucket_name
  force_destroy = var.force_destroy
  partition     = local.partition
}

module "tenant_access" {
  source = "../tenant-access"

  environment      = var.environment
  name_prefix      = local.name_prefix
  data_bucket_name = module.data_bucket.name
  table_name       = module.tenant_table.name
  data_table_name  = module.tenant_data_table.name
  account_id       = local.account_id
  region           = local.region
  partition        = local.partition

  trusted_role_arns = [
    for service in local.tenant_services :
    "arn:${local.partition}:iam::${local.account_id}:role/tenkacloud/${var.environment}/application-plane/${local.name_prefix}-${service}"
  ]
}

module "provisioning" {
  source = "../provisioning"

  environment        = var.environment
  name_prefix        = local.name_prefix
  zip_path           = "${var.artifacts_dir}/provisioning.zip"
  table_name         = module.tenant_table.name
  stream_arn         = module.tenant_table.stream_arn
  event_bus_name     = module.event_bus.name
  log_retention_days = var.log_retention_days
  log_level          = var.log_level
  account_id         = local.account_id
  region             = local.region
  partition          = local.partition
}

module "tenant_provisioner" {
  source = "../tenant-provisioner"

  environment            = var.environment
  name_prefix            = local.name_prefix
  zip_path               = "${var.artifacts_dir}/tenant-provisioner.zip"
  table_name             = module.tenant_table.name
  event_bus_name         = module.event_bus.name
  data_bucket_name       = module.data_bucket.name
  tenant_access_role_arn = module.tenant_access.role_arn
  log_retention_days     = var.log_retention_days
  log_level              = var.log_level
  account_id             = local.account_id
  region                 = local.region
  partition              = local.partition
}

module "provisioning_completion" {
  source = "../provisioning-completion"

  environment        = var.environment
  name_prefix        = local.name_prefix
  zip_path           = "${var.artifacts_dir}/provisioning-completion.zip"
  table_name         = module.tenant_table.name
  event_bus_name     = module.event_bus.name
  log_retention_days = var.log_retention_days
  log_level          = var.log_level
  account_id         = local.account_id
  region             = local.region
  partition          = local.partition
}

module "reconciler" {
  source = "../reconciler"

  environment         = var.environment
  name_prefix         = local.name_prefix
  zip_path            = "${var.artifacts_dir}/reconciler.zip"
  table_name          = module.tenant_table.name
  event_bus_name      = module.event_bus.name
  stuck_after_seconds = var.stuck_after_seconds
  resumptions_max     = var.resumptions_max
  log_retention_days  = var.log_retention_days
  log_level           = var.log_level
  account_id          = local.account_id
  region              = local.region
  partition           = local.partition
}

module "canary" {
  source = "../canary"

  environment        = var.environment
  name_prefix        = local.name_prefix
  zip_path           = "${var.artifacts_dir}/canary.zip"
  table_name         = module.tenant_table.name
  data_bucket_name   = module.data_bucket.name
  period_minutes     = var.canary_period_minutes
  scheduled          = var.canary_scheduled
  log_retention_days = var.log_retention_days
  log_level          = var.log_level
  account_id         = local.account_id
  region             = local.region
  partition          = local.partition
}

module "tenant_api" {
  source = "../http-api"

  name               = "${local.name_prefix}-tenant-api"
  description        = "What the tenants' clients call"
  jwt_issuer         = var.jwt_issuer
  jwt_audience       = var.jwt_audience
  log_retention_days = var.log_retention_days
  account_id         = local.account_id
  region             = local.region
  partition          = local.partition
}

module "problem_data" {
  source = "../problem-data"

  environment            = var.environment
  name_prefix            = local.name_prefix
  zip_path               = "${var.artifacts_dir}/problem-data.zip"
  api_id                 = module.tenant_api.id
  authorizer_id          = module.tenant_api.authorizer_id
  api_execution_arn      = module.tenant_api.execution_arn
  tenant_claim           = var.tenant_claim
  table_name             = module.tenant_table.name
  data_table_name        = module.tenant_data_table.name
  data_bucket_name       = module.data_bucket.name
  tenant_access_role_arn = module.tenant_access.role_arn
  log_retention_days     = var.log_retention_days
  log_level              = var.log_level
  account_id             = local.account_id
  region                 = local.region
  partition              = local.partition
}

# Not everywhere: an engine that evaluates no alarms has nothing of it.
module "monitoring" {
  source = "../monitoring"
  count  = var.monitor ? 1 : 0

  name_prefix             = local.name_prefix
  function_names          = { for service, function in local.functions : service => function.function_name }
  dead_letter_queue_names = { for service in local.queued : service => "${local.name_prefix}-${service}-dlq" }
  event_rule_names        = [module.tenant_provisioner.event_rule_name, module.provisioning_completion.event_rule_name]
  event_bus_name          = module.event_bus.name
  canary_period_minutes   = var.canary_period_minutes
  stuck_after_seconds     = var.stuck_after_seconds
  alarm_topic_arns        = var.alarm_topic_arns
  region                  = local.region
}
