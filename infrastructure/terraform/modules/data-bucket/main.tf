# The pooled tenants' data, a prefix for each.
module "bucket" {
  source = "../private-bucket"

  name          = var.context.data_bucket_name
  partition     = var.context.partition
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = module.bucket.name

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = module.bucket.name

  rule {
    id     = "abort-incomplete-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "expire-noncurrent-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_version_expiration_days
    }
  }

  # A rule about noncurrent versions means something only once versioning is on.
  depends_on = [aws_s3_bucket_versioning.this]
}
