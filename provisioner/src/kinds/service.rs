//! What is true of a whole AWS service, whatever the kind: one record for each, in the `mod.rs` beside its kinds.
//!
//! A record has no defaults. Who adds a service says every line of it, or it does not compile.

use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::aws::limits::Rate;
use crate::aws::{Cx, Error};
use crate::kinds::facts::Address;
use crate::scope::Scope;

/// The record of one service.
pub struct Service {
    /// The first word of the names of its kinds: `elbv2`.
    pub name: &'static str,
    /// The name of the service in IAM actions and in ARNs: `elasticloadbalancing`.
    pub prefix: &'static str,
    /// The name of the service in the signature of a request, which the rate limits read: `monitoring`.
    pub signs_as: &'static str,
    /// The calls that change the tags of a resource. `None` for a service of which no resource has tags of its own.
    pub tags: Option<TagCalls>,
    /// AWS's token buckets. The first one that takes a call counts, and the last one takes every call.
    pub rates: &'static [Rate],
    /// The ARNs that reads are allowed on. `None`: everything of the service in this account and region. Many reads answer
    /// about all or nothing.
    pub reads: Option<fn(&Scope) -> Vec<String>>,
    /// The ARNs that writes are allowed on, and how each one is bound to the stack.
    pub writes: &'static [On],
    /// The ARNs in the permissions boundary of the stack's own roles, where they are not those of `writes`.
    pub for_roles: Option<fn(&Scope) -> Vec<String>>,
    /// Actions that are not about one resource: for these AWS takes `*` only.
    pub on_everything: &'static [&'static str],
    /// Actions of this service that AWS asks for when we call another one.
    pub dependent: &'static [Dependent],
    /// Types of resources to ask a simulation of IAM about, where the ARNs in `writes` name none.
    pub types: &'static [&'static str],
    /// The section of the stack file that a name of a kind belongs to, as in `queues.work`. `None` for a kind that it does
    /// not know. The first argument is the second word of the kind's name.
    pub section: fn(resource: &str, name: &str) -> Option<String>,
    /// The reason why `status` tells of a kind only whether it is ready, if [`crate::commands::health`] does not tell more.
    pub only_ready: &'static str,
}

/// The two calls of a service that change tags. The Resource Groups Tagging API would be one for nearly all services, but it
/// asks for a permission more, and takes five requests a second.
pub struct TagCalls {
    /// The action of `put` as IAM names it.
    pub put_action: &'static str,
    /// The action of `remove` as IAM names it.
    pub remove_action: &'static str,
    /// Puts tags on the resource with this id: what the kind's `read` gives as [`crate::kinds::kind::Live::id`].
    pub put: for<'a> fn(&'a Cx, &'a str, Vec<(String, String)>) -> Written<'a>,
    /// Takes tags with these keys away.
    pub remove: for<'a> fn(&'a Cx, &'a str, Vec<String>) -> Written<'a>,
}

/// The end of a write, boxed so that a static can name the call.
pub type Written<'a> = BoxFuture<'a, Result<(), Error>>;

/// A change of the tags of one resource. Its other tags are left alone.
pub struct Retag {
    pub put: Vec<(String, String)>,
    pub remove: Vec<String>,
}

impl TagCalls {
    pub async fn retag(&self, cx: &Cx, id: &str, retag: Retag) -> Result<(), Error> {
        let Retag { put, remove } = retag;
        // New ones first: cut off in between, nothing is lost that says whose it is.
        (self.put)(cx, id, put).await?;
        if remove.is_empty() { Ok(()) } else { (self.remove)(cx, id, remove).await }
    }
}

/// A form of ARNs that writes are allowed on, and how the policy binds them to the stack. AWS gives most names a form by
/// service (Service Authorization Reference, resource types).
pub enum On {
    /// The text before a name that begins with the stack's, in this account and region: `cluster/`.
    Named(&'static str),
    /// A whole ARN, bound by the stack's name, in a form of its own. The second argument is the beginning of every name.
    NamedBy(fn(&Scope, &str) -> String),
    /// Everything of a type, because nothing in the ARN tells whose it is.
    Every { resource: &'static str, because: &'static str },
}

impl On {
    pub(super) fn arn(&self, scope: &Scope, service: &str) -> String {
        let prefix = shortest_prefix(scope);
        match self {
            On::Named(before) => scope.arn(service, &format!("{before}{prefix}*")),
            On::NamedBy(arn) => arn(scope, &prefix),
            On::Every { resource, .. } => scope.arn(service, resource),
        }
    }
}

/// An action that AWS asks for when we call another one.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Dependent {
    pub action: &'static str,
    pub because: &'static str,
    /// The page of the Service Authorization Reference, `list_amazon<page>.html` or as the service is called there.
    pub source: &'static str,
}

impl Dependent {
    pub const fn on(action: &'static str, because: &'static str, source: &'static str) -> Dependent {
        Dependent { action, because, source }
    }
}

impl Service {
    /// The ARNs that its reads are allowed on.
    pub fn readable(&self, scope: &Scope) -> Vec<String> {
        match self.reads {
            Some(arns) => arns(scope),
            None => vec![scope.arn(self.prefix, "*")],
        }
    }

    /// The ARNs that its writes are allowed on.
    pub fn writable(&self, scope: &Scope) -> Vec<String> {
        self.writes.iter().map(|on| on.arn(scope, self.prefix)).collect()
    }

    /// The ARNs that the stack's own roles may be given rights on.
    pub fn grantable(&self, scope: &Scope) -> Vec<String> {
        match self.for_roles {
            Some(arns) => arns(scope),
            None => self.writable(scope),
        }
    }

    /// The section of the stack file that the resource belongs to, if the service knows its kind.
    pub fn section_of(&self, address: &Address) -> Option<String> {
        let (_, resource) = address.kind.split_once('.')?;
        (self.section)(resource, &address.name)
    }
}

/// The section that has one part under each name: `queues.work`.
pub(super) fn below(section: &str, name: &str) -> Option<String> {
    Some(format!("{section}.{name}"))
}

/// A section that is one part.
pub(super) fn whole(section: &str) -> Option<String> {
    Some(section.to_owned())
}

/// The beginning of every name of the stack. Long names are cut, to no less than this.
fn shortest_prefix(scope: &Scope) -> String {
    format!("{}-", scope.prefix()).chars().take(SHORTEST_NAME).collect()
}

/// A domain has 28 characters, the hash of a long name and its dash nine of them.
const SHORTEST_NAME: usize = 19;
