# What tenants take along: each export below <tenantId>/<exportId>/, until it expires. No tenant's session
# reaches it. Without versions, so that what has expired or was deleted is gone.
module "bucket" {
  source = "../private-bucket"

  name          = var.context.exports_bucket_name
  partition     = var.context.partition
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = module.bucket.name

  rule {
    id     = "expire-exports"
    status = "Enabled"

    filter {}

    expiration {
      days = var.retention_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}
