output "name" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.bucket
}

output "policy_json" {
  description = "Policy of the bucket."
  value       = data.aws_iam_policy_document.this.json
}

output "force_destroy" {
  description = "Whether the bucket goes with what it holds."
  value       = aws_s3_bucket.this.force_destroy
}
