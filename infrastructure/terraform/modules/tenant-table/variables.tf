variable "context" {
  description = "The output of modules/context."
  type        = object({ table_name = string })
}

variable "protect_data" {
  description = "Whether the table refuses to be deleted and can be restored to any second of the last 35 days."
  type        = bool
}
