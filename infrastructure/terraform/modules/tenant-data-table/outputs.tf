output "name" {
  description = "Name of the table."
  value       = aws_dynamodb_table.this.name
}

output "protected" {
  description = "Whether the table refuses to be deleted."
  value       = aws_dynamodb_table.this.deletion_protection_enabled
}
