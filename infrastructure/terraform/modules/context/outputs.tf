output "context" {
  description = "Where the stack is deployed, of what kind it is, what it is named, and what all its functions have in common."
  value = {
    environment = var.environment
    name_prefix = local.name_prefix
    account_id  = data.aws_caller_identity.current.account_id
    region      = data.aws_region.current.name
    partition   = data.aws_partition.current.partition
    on_aws      = local.on_aws
    disposable  = var.profile != "protected"

    # What several modules name. An archive's name, which is the bus's, has at most 48 characters.
    table_name                  = "TenkaCloud-${var.environment}"
    data_table_name             = "TenkaCloud-${var.environment}-tenant-data"
    event_bus_name              = "${local.name_prefix}-tenant-events"
    data_bucket_name            = "tenkacloud-data-${var.environment}${local.account_suffix}"
    exports_bucket_name         = "${local.name_prefix}-exports${local.account_suffix}"
    tenant_access_role_arn      = "${local.role_arn_prefix}${local.name_prefix}-tenant-access"
    tenant_maintenance_role_arn = "${local.role_arn_prefix}${local.name_prefix}-tenant-maintenance"

    # How long the control plane waits, in seconds, and how long a tenant's request may take at most.
    waits                   = local.waits
    request_timeout_seconds = local.request_timeout_seconds

    # How functions are made. A variable that every function gets is named here only: no other module lists them.
    zip_path             = var.zip_path
    log_retention_days   = var.log_retention_days
    function_environment = { POWERTOOLS_LOG_LEVEL = var.log_level }
  }
}
