variable "context" {
  description = "The output of modules/context."
  type = object({
    environment      = string, name_prefix = string, account_id = string, region = string, partition = string
    data_bucket_name = string
  })
}
