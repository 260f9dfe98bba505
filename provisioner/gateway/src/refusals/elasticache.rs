//! Caches: groups in use, AUTH tokens, failover without replicas.

use super::{Verdict, names, refuse};
use crate::account::{Account, last_part};
use crate::request::Request;

pub(super) fn judge(account: &Account, request: &Request) -> Option<Verdict> {
    let users = |kind: &str, name: &str| account.users(&request.home, &format!("{kind}:{}", last_part(name)));
    match request.action.as_str() {
        "DeleteCacheSubnetGroup" => {
            let name = request.text("CacheSubnetGroupName")?;
            let users = users("elasticache.subnet_group", name);
            let message = format!("Cache subnet group {name} is currently in use by {}", names(&users));
            if users.is_empty() { None } else { refuse("cache-subnet-group-in-use", 400, "CacheSubnetGroupInUse", message) }
        }
        "DeleteCacheParameterGroup" => {
            let name = request.text("CacheParameterGroupName")?;
            let users = users("elasticache.parameter_group", name);
            let message =
                format!("One or more cache clusters are still members of this parameter group {name}: {}", names(&users));
            if users.is_empty() {
                None
            } else {
                refuse("cache-parameter-group-in-use", 400, "InvalidCacheParameterGroupState", message)
            }
        }
        "CreateReplicationGroup" => create(account, request),
        "ModifyReplicationGroup" => token(request),
        _ => None,
    }
}

fn create(account: &Account, request: &Request) -> Option<Verdict> {
    if request.text("AuthToken").is_some() && request.flag("TransitEncryptionEnabled") != Some(true) {
        let message = "Invalid AuthToken provided. An AuthToken can only be used with TransitEncryptionEnabled.";
        return refuse("auth-token-without-tls", 400, "InvalidParameterCombination", message);
    }
    if let Some(name) = request.text("CacheSubnetGroupName")
        && account.get(&request.home, "elasticache.subnet_group", &last_part(name)).is_none()
    {
        return refuse(
            "cache-subnet-group-missing",
            400,
            "CacheSubnetGroupNotFoundFault",
            format!("Cache Subnet Group {name} does not exist."),
        );
    }
    let nodes = request.number("NumCacheClusters").unwrap_or(1);
    let replicas = request.number("ReplicasPerNodeGroup").unwrap_or(0);
    let failover = request.flag("AutomaticFailoverEnabled") == Some(true);
    if failover && nodes < 2 && replicas < 1 {
        let message = "Automatic failover is not supported for replication groups with less than one replica.";
        return refuse("failover-without-replica", 400, "InvalidParameterValue", message);
    }
    if request.flag("MultiAZEnabled") == Some(true) && !failover {
        return refuse(
            "multi-az-without-failover",
            400,
            "InvalidParameterCombination",
            "Must enable automatic failover to enable Multi-AZ.",
        );
    }
    token(request)
}

fn token(request: &Request) -> Option<Verdict> {
    let token = request.text("AuthToken").filter(|token| !token.is_empty())?;
    let good = (16..=128).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"!&#$^<>-".contains(&b));
    let message = "Invalid AuthToken provided: 16 to 128 characters, alphanumeric or one of !&#$^<>-.";
    if good { None } else { refuse("auth-token", 400, "InvalidParameterValue", message) }
}
