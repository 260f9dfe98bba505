//! The repository of the image.

use serde_json::json;

use super::it::It;
use crate::kinds::ecr::RepositoryState;

pub(super) fn repository(it: &mut It<'_>, want: RepositoryState) {
    let RepositoryState { name, kms_key, tags_are_final, scan_on_push, lifecycle, statements: _ } = want;
    let properties = json!({
        "RepositoryName": name,
        "EncryptionConfiguration": {"EncryptionType": "KMS", "KmsKey": kms_key},
        "ImageTagMutability": if tags_are_final { "IMMUTABLE" } else { "MUTABLE" },
        "ImageScanningConfiguration": {"ScanOnPush": scan_on_push},
        "LifecyclePolicy": {"LifecyclePolicyText": lifecycle.to_string()},
        "EmptyOnDelete": true, "Tags": it.tags(),
    });
    it.put("AWS::ECR::Repository", properties);
}
