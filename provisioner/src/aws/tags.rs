//! The tags of what exists: put on it when it is adopted, and changed when the stack file says others.
//!
//! Each service has its own two calls. The Resource Groups Tagging API would be one for nearly all, but it asks for a
//! permission more, and takes five requests a second.

use aws_sdk_ec2::types::Tag as Ec2Tag;

use super::{Cx, Error};

/// What becomes of the tags of one resource. Others that it has are left alone.
pub struct Retag {
    pub put: Vec<(String, String)>,
    pub remove: Vec<String>,
}

impl Cx {
    /// By what the resource is known by: an ARN, the URL of a queue, or one of EC2's ids.
    pub async fn retag(&self, id: &str, retag: Retag) -> Result<(), Error> {
        let Retag { put, remove } = retag;
        // New ones first: cut off in between, nothing is lost that says whose it is.
        self.put_tags(id, put).await?;
        if remove.is_empty() { Ok(()) } else { self.remove_tags(id, remove).await }
    }

    async fn put_tags(&self, id: &str, put: Vec<(String, String)>) -> Result<(), Error> {
        let put = put.into_iter();
        match service(id) {
            "cloudwatch" => {
                use aws_sdk_cloudwatch::types::Tag;
                let tags = put.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
                self.cloudwatch.tag_resource().resource_arn(id).set_tags(Some(tags)).send().await?;
            }
            "ec2" => {
                let tags = put.map(|(key, value)| Ec2Tag::builder().key(key).value(value).build()).collect();
                self.ec2.create_tags().resources(id).set_tags(Some(tags)).send().await?;
            }
            "ecr" => {
                use aws_sdk_ecr::types::Tag;
                let tags = put.map(|(key, value)| Tag::builder().key(key).value(value).build());
                let tags = tags.collect::<Result<_, _>>()?;
                self.ecr.tag_resource().resource_arn(id).set_tags(Some(tags)).send().await?;
            }
            "ecs" => {
                use aws_sdk_ecs::types::Tag;
                let tags = put.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
                self.ecs.tag_resource().resource_arn(id).set_tags(Some(tags)).send().await?;
            }
            "elasticache" => {
                use aws_sdk_elasticache::types::Tag;
                let tags = put.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
                self.elasticache.add_tags_to_resource().resource_name(id).set_tags(Some(tags)).send().await?;
            }
            "elasticloadbalancing" => {
                use aws_sdk_elasticloadbalancingv2::types::Tag;
                let tags = put.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
                self.elbv2.add_tags().resource_arns(id).set_tags(Some(tags)).send().await?;
            }
            "es" => {
                use aws_sdk_opensearch::types::Tag;
                let tags = put.map(|(key, value)| Tag::builder().key(key).value(value).build());
                let tags = tags.collect::<Result<_, _>>()?;
                self.opensearch.add_tags().arn(id).set_tag_list(Some(tags)).send().await?;
            }
            "iam" => {
                use aws_sdk_iam::types::Tag;
                let tags = put.map(|(key, value)| Tag::builder().key(key).value(value).build());
                let tags = tags.collect::<Result<_, _>>()?;
                self.iam.tag_role().role_name(last(id)).set_tags(Some(tags)).send().await?;
            }
            "kms" => {
                use aws_sdk_kms::types::Tag;
                let tags = put.map(|(key, value)| Tag::builder().tag_key(key).tag_value(value).build());
                let tags = tags.collect::<Result<_, _>>()?;
                self.kms.tag_resource().key_id(id).set_tags(Some(tags)).send().await?;
            }
            "lambda" => {
                self.lambda.tag_resource().resource(id).set_tags(Some(put.collect())).send().await?;
            }
            "logs" => {
                self.logs.tag_resource().resource_arn(id).set_tags(Some(put.collect())).send().await?;
            }
            "rds" => {
                use aws_sdk_rds::types::Tag;
                let tags = put.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
                self.rds.add_tags_to_resource().resource_name(id).set_tags(Some(tags)).send().await?;
            }
            "secretsmanager" => {
                use aws_sdk_secretsmanager::types::Tag;
                let tags = put.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
                self.secrets.tag_resource().secret_id(id).set_tags(Some(tags)).send().await?;
            }
            "sns" => {
                use aws_sdk_sns::types::Tag;
                let tags = put.map(|(key, value)| Tag::builder().key(key).value(value).build());
                let tags = tags.collect::<Result<_, _>>()?;
                self.sns.tag_resource().resource_arn(id).set_tags(Some(tags)).send().await?;
            }
            "sqs" => {
                self.sqs.tag_queue().queue_url(id).set_tags(Some(put.collect())).send().await?;
            }
            _ => return Err(Error::ours(format!("`{id}` takes no tags"))),
        }
        Ok(())
    }

    async fn remove_tags(&self, id: &str, keys: Vec<String>) -> Result<(), Error> {
        let keys = Some(keys);
        match service(id) {
            "cloudwatch" => {
                self.cloudwatch.untag_resource().resource_arn(id).set_tag_keys(keys).send().await?;
            }
            "ec2" => {
                let keys = keys.into_iter().flatten().map(|key| Ec2Tag::builder().key(key).build()).collect();
                self.ec2.delete_tags().resources(id).set_tags(Some(keys)).send().await?;
            }
            "ecr" => {
                self.ecr.untag_resource().resource_arn(id).set_tag_keys(keys).send().await?;
            }
            "ecs" => {
                self.ecs.untag_resource().resource_arn(id).set_tag_keys(keys).send().await?;
            }
            "elasticache" => {
                self.elasticache.remove_tags_from_resource().resource_name(id).set_tag_keys(keys).send().await?;
            }
            "elasticloadbalancing" => {
                self.elbv2.remove_tags().resource_arns(id).set_tag_keys(keys).send().await?;
            }
            "es" => {
                self.opensearch.remove_tags().arn(id).set_tag_keys(keys).send().await?;
            }
            "iam" => {
                self.iam.untag_role().role_name(last(id)).set_tag_keys(keys).send().await?;
            }
            "kms" => {
                self.kms.untag_resource().key_id(id).set_tag_keys(keys).send().await?;
            }
            "lambda" => {
                self.lambda.untag_resource().resource(id).set_tag_keys(keys).send().await?;
            }
            "logs" => {
                self.logs.untag_resource().resource_arn(id).set_tag_keys(keys).send().await?;
            }
            "rds" => {
                self.rds.remove_tags_from_resource().resource_name(id).set_tag_keys(keys).send().await?;
            }
            "secretsmanager" => {
                self.secrets.untag_resource().secret_id(id).set_tag_keys(keys).send().await?;
            }
            "sns" => {
                self.sns.untag_resource().resource_arn(id).set_tag_keys(keys).send().await?;
            }
            "sqs" => {
                self.sqs.untag_queue().queue_url(id).set_tag_keys(keys).send().await?;
            }
            _ => return Err(Error::ours(format!("`{id}` takes no tags"))),
        }
        Ok(())
    }
}

fn service(id: &str) -> &str {
    match id.strip_prefix("arn:") {
        Some(rest) => rest.split(':').nth(1).unwrap_or_default(),
        None if id.starts_with("http") => "sqs",
        // `vpc-0a1b2c3d`: EC2 has ids, and takes all of them in one call.
        None => "ec2",
    }
}

/// `sendy-dev-task` of `arn:aws:iam::123456789012:role/path/sendy-dev-task`.
fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_call_it_is() {
        for (id, expected) in [
            ("arn:aws:sns:eu-west-1:1:events", "sns"),
            ("arn:aws-cn:iam::1:role/a/b", "iam"),
            ("https://sqs.eu-west-1.amazonaws.com/1/work", "sqs"),
            ("vpc-0a1b2c3d", "ec2"),
        ] {
            assert_eq!(service(id), expected, "{id}");
        }
        assert_eq!(last("arn:aws-cn:iam::1:role/a/b"), "b");
    }
}
