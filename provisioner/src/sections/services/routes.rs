//! Which requests a service gets. These are the rules of the load balancer, on AWS and on a laptop alike.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{Http, Service};
use crate::scope::hex;
use crate::sections::words::Name;

impl Http {
    /// The methods that the rule names. A client that may GET may also ask for the head alone.
    pub fn rule_methods(&self) -> Vec<String> {
        let mut methods = self.methods.clone();
        if methods.iter().any(|method| method == "GET") && !methods.iter().any(|method| method == "HEAD") {
            methods.push("HEAD".to_owned());
        }
        methods
    }

    pub fn takes_everything(&self) -> bool {
        self.paths.is_empty() && self.methods.is_empty()
    }
}

/// The priorities of the rules. A rule that says more is asked earlier. As far as possible, a priority depends on its
/// own service alone, so that a new service does not move the others.
pub(crate) fn priorities(behind: &[(&Name, &Service, &Http)]) -> Vec<(String, u32)> {
    let mut taken = BTreeSet::new();
    let mut all = Vec::new();
    for (name, _, http) in behind.iter().filter(|(_, _, http)| !http.takes_everything()) {
        let longest = http.paths.iter().map(String::len).max().unwrap_or(0).min(128);
        let band = (128 - longest) * 2 + usize::from(http.methods.is_empty());
        let hash = Sha256::digest(name.0.as_bytes());
        let within = u32::from_str_radix(&hex(&hash[..2]), 16).unwrap_or(0) % 16;
        let mut priority = u32::try_from(band).unwrap_or(0) * 160 + within * 10 + 10;
        while !taken.insert(priority) {
            priority += 1;
        }
        all.push((name.0.clone(), priority));
    }
    all
}
