//! Deletes a function. A function inside a VPC leaves the VPC first, because its network interfaces would hold the
//! subnets for 5 to 40 minutes after the deletion. Leaving takes a while. So the deletion is refused, in the way in
//! which Lambda itself would refuse it, and is asked for again.

use aws_sdk_ec2::types::Filter;
use aws_sdk_lambda::types::{LastUpdateStatus, VpcConfig};

use crate::aws::{Cx, Error, each};

pub(super) const GONE: &[&str] = &["ResourceNotFoundException"];
pub(super) const CONFLICT: &str = "ResourceConflictException";
/// The words by which Lambda says that a change is under way.
pub(super) const NOT_NOW: &str = "cannot be performed at this time";

pub(super) async fn delete(cx: &Cx, function: &str, was_inside: bool) -> Result<(), Error> {
    let now = cx.lambda.get_function_configuration().function_name(function).send().await;
    let Some(now) = Error::unless_gone(now, GONE)? else {
        return Ok(());
    };
    if now.last_update_status() == Some(&LastUpdateStatus::InProgress) {
        return Err(not_now());
    }
    if now.vpc_config().is_some_and(|inside| !inside.subnet_ids().is_empty()) {
        let nowhere = VpcConfig::builder().set_subnet_ids(Some(Vec::new())).set_security_group_ids(Some(Vec::new()));
        let call = cx.lambda.update_function_configuration().function_name(function);
        call.vpc_config(nowhere.build()).send().await?;
        return Err(not_now());
    }
    Error::unless_gone(cx.lambda.delete_function().function_name(function).send().await, GONE)?;
    if was_inside {
        delete_interfaces(cx, function).await;
    }
    Ok(())
}

fn not_now() -> Error {
    let message = format!("the deletion {NOT_NOW}: the function is leaving its VPC");
    Error { code: CONFLICT.to_owned(), message, request_id: None, ambiguous: false }
}

/// Deletes the network interfaces of a function that are not in use any more. Lambda itself takes away what it made in
/// the VPC, but late.
async fn delete_interfaces(cx: &Cx, function: &str) {
    let filter = |name: &str, value: String| Filter::builder().name(name).values(value).build();
    let call = cx.ec2.describe_network_interfaces().filters(filter("status", "available".to_owned()));
    let call = call.filters(filter("description", format!("AWS Lambda VPC ENI-{function}-*")));
    let Ok(answer) = call.send().await else {
        return;
    };
    let ids = answer.network_interfaces().iter().filter_map(|interface| interface.network_interface_id.clone());
    each(ids.collect(), |id| cx.ec2.delete_network_interface().network_interface_id(id).send()).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;
    use crate::kinds::lambda::Function;

    #[test]
    fn what_is_asked_for_too_early_is_asked_for_again() {
        assert_eq!(not_now().worth_retrying(&Function::FACTS), Some(900));
    }
}
