//! Databases: groups in use, replicas and the things that they need, passwords, final snapshots.

use super::{Verdict, names, refuse};
use crate::account::{Account, Thing, last_part};
use crate::request::Request;

const COMBINATION: &str = "InvalidParameterCombination";

pub(super) fn judge(account: &Account, request: &Request) -> Option<Verdict> {
    let home = request.home.as_str();
    let users = |kind: &str, name: &str| account.users(home, &format!("{kind}:{}", last_part(name)));
    match request.action.as_str() {
        "DeleteDBSubnetGroup" => {
            let name = request.text("DBSubnetGroupName")?;
            let users = users("rds.subnet_group", name);
            let message = format!(
                "Cannot delete the subnet group '{name}' because at least one database instance is still using it: {}",
                names(&users)
            );
            if users.is_empty() { None } else { refuse("db-subnet-group-in-use", 400, "InvalidDBSubnetGroupStateFault", message) }
        }
        "DeleteDBParameterGroup" => {
            let name = request.text("DBParameterGroupName")?;
            let users = users("rds.parameter_group", name);
            let message =
                format!("One or more database instances are still members of this parameter group {name}: {}", names(&users));
            if users.is_empty() {
                None
            } else {
                refuse("db-parameter-group-in-use", 400, "InvalidDBParameterGroupState", message)
            }
        }
        "CreateDBInstance" => create(account, request).or_else(|| password(request)),
        "ModifyDBInstance" => {
            let id = last_part(request.text("DBInstanceIdentifier")?);
            if request.flag("ManageMasterUserPassword") == Some(true) && !replicas(account, home, &id).is_empty() {
                return refuse(
                    "managed-password-with-replica",
                    400,
                    COMBINATION,
                    "ManageMasterUserPassword is not supported for an instance with read replicas.",
                );
            }
            password(request)
        }
        "CreateDBInstanceReadReplica" => replica(account, request),
        "DeleteDBInstance" => delete(account, request),
        _ => None,
    }
}

fn replicas<'a>(account: &'a Account, home: &'a str, id: &str) -> Vec<&'a Thing> {
    let source = format!("rds.instance:{id}");
    account.of_kind(home, "rds.instance").filter(|thing| thing.refers_to(&source)).collect()
}

fn create(account: &Account, request: &Request) -> Option<Verdict> {
    let home = request.home.as_str();
    if let Some(name) = request.text("DBSubnetGroupName")
        && account.get(home, "rds.subnet_group", &last_part(name)).is_none()
    {
        return refuse(
            "db-subnet-group-missing",
            404,
            "DBSubnetGroupNotFoundFault",
            format!("DB subnet group '{name}' does not exist."),
        );
    }
    if let Some(name) = request.text("DBParameterGroupName").filter(|name| !name.starts_with("default.")) {
        let Some(group) = account.get(home, "rds.parameter_group", &last_part(name)) else {
            return refuse(
                "db-parameter-group-missing",
                404,
                "DBParameterGroupNotFound",
                format!("DBParameterGroup not found: {name}"),
            );
        };
        let family = group.text("DBParameterGroupFamily").unwrap_or_default();
        let (engine, version) = (request.text("Engine").unwrap_or_default(), request.text("EngineVersion").unwrap_or_default());
        let major: Vec<&str> = version.split('.').take(2).collect();
        if engine == "mysql" && major.len() == 2 && family != format!("mysql{}", major.join(".")) {
            let message = format!(
                "The parameter group {name} with DBParameterGroupFamily {family} can't be used for this instance. Engine version {version}."
            );
            return refuse("db-parameter-group-family", 400, COMBINATION, message);
        }
    }
    let class = request.text("DBInstanceClass").unwrap_or_default();
    if request.flag("EnablePerformanceInsights") == Some(true) && (class.ends_with(".micro") || class.ends_with(".small")) {
        return refuse(
            "performance-insights-class",
            400,
            COMBINATION,
            "Performance Insights not supported for this configuration, please disable this feature.",
        );
    }
    if request.flag("ManageMasterUserPassword") == Some(true) && request.text("MasterUserPassword").is_some() {
        return refuse(
            "two-passwords",
            400,
            COMBINATION,
            "You can't specify MasterUserPassword when ManageMasterUserPassword is on.",
        );
    }
    None
}

fn password(request: &Request) -> Option<Verdict> {
    let password = request.text("MasterUserPassword")?;
    let good = (8..=41).contains(&password.len()) && password.bytes().all(|b| b.is_ascii_graphic() && !b"/\"@".contains(&b));
    if good {
        return None;
    }
    let message = "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters besides '/', '@', '\"', ' ' may be used, 8 to 41 of them.";
    refuse("db-password", 400, "InvalidParameterValue", message)
}

fn replica(account: &Account, request: &Request) -> Option<Verdict> {
    let source = request.text("SourceDBInstanceIdentifier")?;
    let cross_region = source.starts_with("arn:") && !source.contains(&format!(":{}:", request.region));
    if cross_region {
        return None;
    }
    if request.text("DBParameterGroupName").is_some() {
        return refuse(
            "replica-parameter-group",
            400,
            COMBINATION,
            "A parameter group can't be specified during Read Replica creation in the same region.",
        );
    }
    let primary = account.get(&request.home, "rds.instance", &last_part(source))?;
    // The default of the retention is one day.
    if primary.text("BackupRetentionPeriod") == Some("0") {
        return refuse(
            "replica-without-backups",
            400,
            "InvalidDBInstanceState",
            "Automated backups are not enabled for this database instance. To enable automated backups, use ModifyDBInstance to set the backup retention period to a non-zero value.",
        );
    }
    if primary.flag("ManageMasterUserPassword") {
        return refuse(
            "managed-password-with-replica",
            400,
            COMBINATION,
            "A read replica can't be created from a source that manages its master user password in Secrets Manager.",
        );
    }
    None
}

fn delete(account: &Account, request: &Request) -> Option<Verdict> {
    let home = request.home.as_str();
    let id = last_part(request.text("DBInstanceIdentifier")?);
    let instance = account.get(home, "rds.instance", &id)?;
    if instance.flag("DeletionProtection") {
        return refuse(
            "deletion-protection",
            400,
            COMBINATION,
            "Cannot delete protected DB Instance, please disable deletion protection and try again.",
        );
    }
    let replicas = replicas(account, home, &id);
    if !replicas.is_empty() {
        // AWS would promote the replicas to instances of their own, which would be billed and forgotten.
        return refuse(
            "primary-with-replica",
            400,
            "InvalidDBInstanceState",
            format!("{id} is the source of {}", names(&replicas)),
        );
    }
    let skip = request.flag("SkipFinalSnapshot") == Some(true);
    let named = request.text("FinalDBSnapshotIdentifier").is_some();
    let is_replica = instance.text("SourceDBInstanceIdentifier").is_some();
    match (is_replica, skip, named) {
        (true, true, false) | (false, true, false) | (false, false, true) => None,
        (true, ..) => refuse(
            "final-snapshot",
            400,
            COMBINATION,
            "A final snapshot can't be taken of a read replica: SkipFinalSnapshot must be true.",
        ),
        (false, true, true) => refuse(
            "final-snapshot",
            400,
            COMBINATION,
            "FinalDBSnapshotIdentifier can not be specified when SkipFinalSnapshot is true.",
        ),
        (false, false, false) => refuse(
            "final-snapshot",
            400,
            COMBINATION,
            "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
        ),
    }
}
