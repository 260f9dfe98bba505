//! Whose rights a caller has: the user, or the role behind a session.

use super::{Cx, Error};

/// The user or the role behind a caller. `None` for a caller of another sort, such as the account itself. The ARN of a
/// session lacks the path of its role, so IAM is asked for the role.
pub async fn behind(cx: &Cx, caller: &str) -> Result<Option<String>, Error> {
    if caller.contains(":iam::") && caller.contains(":user/") {
        return Ok(Some(caller.to_owned()));
    }
    let Some(role) = role_of(caller) else {
        return Ok(None);
    };
    let answer = cx.iam.get_role().role_name(role).send().await?;
    Ok(answer.role.map(|role| role.arn))
}

/// The name of the role of a session: `deploy` of `arn:aws:sts::123456789012:assumed-role/deploy/me`.
fn role_of(caller: &str) -> Option<&str> {
    let (_, session) = caller.split_once(":assumed-role/")?;
    session.split('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_of_a_role() {
        assert_eq!(role_of("arn:aws:sts::123456789012:assumed-role/deploy/me@example.com"), Some("deploy"));
        assert_eq!(role_of("arn:aws:iam::123456789012:root"), None);
    }
}
