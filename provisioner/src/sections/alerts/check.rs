//! Checks `alerts:`, whose addresses SNS writes to.

use std::collections::BTreeSet;

use crate::sections::Loaded;
use crate::sections::say::Say;

pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let mut seen = BTreeSet::new();
    for (index, address) in loaded.stack.alerts.iter().flat_map(|alerts| &alerts.email).enumerate() {
        let place = format!("/alerts/email/{index}");
        if !is_address(address) {
            let hint = "one address, as in `ops@example.com`".to_owned();
            say.problem(place, format!("`{address}` is not an e-mail address"), Some(hint));
        } else if !seen.insert(address) {
            say.problem(place, format!("`{address}` is here twice"), None);
        }
    }
}

/// Whether a text is a mailbox at a host that the internet knows, without a name around it (RFC 5321, section 4.1.2,
/// without quoted mailboxes and addresses in brackets).
fn is_address(address: &str) -> bool {
    let mailbox = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let label = |label: &str| {
        let within = |c: char| c.is_ascii_alphanumeric() || c == '-';
        (1..=63).contains(&label.len()) && label.chars().all(within) && !label.starts_with('-') && !label.ends_with('-')
    };
    let Some((local, host)) = address.rsplit_once('@') else { return false };
    let dots = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
    let known = (1..=64).contains(&local.len()) && local.chars().all(mailbox) && dots && !local.contains("${");
    known && host.len() <= 255 && host.contains('.') && host.split('.').all(label)
}
