//! The facts of a whole AWS service, whatever the kind: one record for each service, in the `mod.rs` beside its kinds.
//!
//! A record has no defaults. If a new service does not have every line of it, the code does not compile.

use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::aws::limits::Rate;
use crate::aws::{Cx, Error};
use crate::kind::facts::Address;
use crate::scope::Scope;

/// The record of one service.
pub struct Service {
    /// The first word of the names of the service's kinds: `elbv2`.
    pub name: &'static str,
    /// The name of the service in IAM actions and in ARNs: `elasticloadbalancing`.
    pub prefix: &'static str,
    /// The name of the service in the signature of a request, which the rate limits read: `monitoring`.
    pub signs_as: &'static str,
    /// The calls that change the tags of a resource. `None` for a service whose resources have no tags of their own.
    pub tags: Option<TagCalls>,
    /// AWS's token buckets. For each call the first bucket that takes it counts. The last bucket takes every call.
    pub rates: &'static [Rate],
    /// The ARNs that reads are allowed on. `None` means everything of the service in this account and region, because
    /// many reads answer about all or nothing.
    pub reads: Option<fn(&Scope) -> Vec<String>>,
    /// The writes that the policy allows, and what binds them to the stack. Each write is in at least one line. If a
    /// call is about several types of resources, each type may have a line of its own.
    pub writes: &'static [Writes],
    /// The ARNs in the permissions boundary of the stack's own roles. `None` if they are those of the first line of
    /// `writes`.
    pub for_roles: Option<fn(&Scope) -> Vec<String>>,
    /// The reads that are not about one resource. For these AWS takes only `*`.
    pub on_everything: &'static [&'static str],
    /// The actions of this service that AWS asks for when we call another action.
    pub dependent: &'static [Dependent],
    /// The types of resources to ask a simulation of IAM about, where the ARNs in `writes` name none.
    pub types: &'static [&'static str],
    /// The section of the stack file that a name of a kind belongs to, as in `queues.work`. `None` for a kind that the
    /// service does not know. The first argument is the second word of the kind's name.
    pub section: fn(resource: &str, name: &str) -> Option<String>,
    /// The reason why `status` tells only whether a resource is ready. It is for the kinds of which
    /// [`crate::commands::aws::health`] does not tell more.
    pub only_ready: &'static str,
}

/// The two calls of a service that change tags. The Resource Groups Tagging API would be one pair of calls for nearly
/// all services, but it needs one more permission, and takes only five requests a second.
pub struct TagCalls {
    /// The action of `put` as IAM names it.
    pub put_action: &'static str,
    /// The action of `remove` as IAM names it.
    pub remove_action: &'static str,
    /// Puts tags on the resource with this id, which is the [`crate::kind::Live::id`] that the kind's `read`
    /// gives.
    pub put: for<'a> fn(&'a Cx, &'a str, Vec<(String, String)>) -> Written<'a>,
    /// Takes away the tags with these keys.
    pub remove: for<'a> fn(&'a Cx, &'a str, Vec<String>) -> Written<'a>,
}

/// The result of a write, boxed so that a static can name the call.
pub type Written<'a> = BoxFuture<'a, Result<(), Error>>;

/// A change of the tags of one resource. Its other tags are left alone.
pub struct Retag {
    pub put: Vec<(String, String)>,
    pub remove: Vec<String>,
}

impl TagCalls {
    pub async fn retag(&self, cx: &Cx, id: &str, retag: Retag) -> Result<(), Error> {
        let Retag { put, remove } = retag;
        // New tags come first, so that a run that is cut off in between loses no tag that says who owns the resource.
        (self.put)(cx, id, put).await?;
        if remove.is_empty() { Ok(()) } else { (self.remove)(cx, id, remove).await }
    }
}

/// Some writes of a service, the resources that they are allowed on, and what binds them to the stack.
pub struct Writes {
    pub actions: Actions,
    pub on: &'static [On],
    pub bound: Bound,
    /// More conditions: operator, key and values.
    pub only_if: &'static [(&'static str, &'static str, &'static [&'static str])],
}

impl Writes {
    pub const fn new(actions: Actions, on: &'static [On], bound: Bound) -> Writes {
        Writes { actions, on, bound, only_if: &[] }
    }

    /// The ARNs that the line allows its actions on.
    pub fn arns(&self, scope: &Scope, service: &str) -> Vec<String> {
        self.on.iter().map(|on| on.arn(scope, service)).collect()
    }

    /// Why nothing binds some of the resources to the stack. `None` if something binds all of them.
    pub fn unbound(&self) -> Option<&'static str> {
        let given = |on: &On| if let On::Given { because, .. } = on { Some(*because) } else { None };
        match self.bound {
            Bound::Adopted { because } | Bound::Untagged { because } | Bound::Nothing { because } => Some(because),
            Bound::Name | Bound::Tag | Bound::OldTag | Bound::NewTag | Bound::By(..) => self.on.iter().find_map(given),
        }
    }
}

/// The actions of a line. Reads of data count as writes here.
pub enum Actions {
    Every,
    EveryBut(&'static [&'static str]),
    These(&'static [&'static str]),
}

impl Actions {
    pub fn has(&self, action: &str) -> bool {
        match self {
            Actions::Every => true,
            Actions::EveryBut(others) => !others.contains(&action),
            Actions::These(these) => these.contains(&action),
        }
    }
}

/// A form of ARNs. Most names have a form that AWS gives each service (Service Authorization Reference, resource
/// types).
pub enum On {
    /// The text before a name that begins with the stack's name, in this account and region: `cluster/`.
    Named(&'static str),
    /// A whole ARN in a form of its own that contains the stack's name. The second argument is the beginning of every
    /// name.
    NamedBy(fn(&Scope, &str) -> String),
    /// Everything of a type in this account and region: `key/*`.
    Type(&'static str),
    /// Resources that AWS itself gives to every account.
    Given { resource: &'static str, because: &'static str },
    /// A resource that does not exist. It stands for a type that the actions are about too, and that another line
    /// binds, because a linter misses the type otherwise.
    Elsewhere(&'static str),
    /// `*`, for actions that AWS allows on nothing less.
    Everything,
}

impl On {
    pub fn arn(&self, scope: &Scope, service: &str) -> String {
        let prefix = shortest_prefix(scope);
        match self {
            On::Named(before) => scope.arn(service, &format!("{before}{prefix}*")),
            On::NamedBy(arn) => arn(scope, &prefix),
            On::Type(resource) | On::Given { resource, .. } | On::Elsewhere(resource) => scope.arn(service, resource),
            On::Everything => "*".to_owned(),
        }
    }
}

/// The condition that binds writes to the stack.
#[derive(Clone, Copy)]
pub enum Bound {
    /// The name begins with the stack's. Another stack's name may begin so too, so a resource with the tag of another
    /// stack is out of reach all the same, where the service tells IAM the tags.
    Name,
    /// The resource has the stack's tag, and the call does not give it the tag of another stack.
    Tag,
    /// The resource has the stack's tag. Whatever tags the call names, it takes away.
    OldTag,
    /// The resource is new, and gets the stack's tag in the same call.
    NewTag,
    /// The resource gets the stack's tag in the same call, and no other stack has tagged it. A resource that has no
    /// stack's tag can be anybody's.
    Adopted { because: &'static str },
    /// No other stack has tagged the resource.
    Untagged { because: &'static str },
    /// Another fact of the call: operator, key and value.
    By(&'static str, &'static str, fn(&Scope) -> String),
    /// Nothing binds the call.
    Nothing { because: &'static str },
}

/// An action that AWS asks for when we call another one.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Dependent {
    pub action: &'static str,
    pub because: &'static str,
    /// The page of the Service Authorization Reference, `list_amazon<page>.html`, or as that reference calls the
    /// service.
    pub source: &'static str,
}

impl Dependent {
    pub const fn on(action: &'static str, because: &'static str, source: &'static str) -> Dependent {
        Dependent { action, because, source }
    }
}

impl Service {
    /// The ARNs that the service's reads are allowed on.
    pub fn readable(&self, scope: &Scope) -> Vec<String> {
        match self.reads {
            Some(arns) => arns(scope),
            None => vec![scope.arn(self.prefix, "*")],
        }
    }

    /// The ARNs that the stack's own roles may be given rights on, and what binds the roles to these.
    pub fn grantable(&self, scope: &Scope) -> (Vec<String>, Option<Bound>) {
        match (self.for_roles, self.writes.first()) {
            (Some(arns), _) => (arns(scope), None),
            (None, Some(line)) => {
                let real = line.on.iter().filter(|on| !matches!(on, On::Elsewhere(_)));
                (real.map(|on| on.arn(scope, self.prefix)).collect(), Some(line.bound))
            }
            (None, None) => (Vec::new(), None),
        }
    }

    /// The section of the stack file that the resource belongs to, if the service knows its kind.
    pub fn section_of(&self, address: &Address) -> Option<String> {
        let (_, resource) = address.kind.split_once('.')?;
        (self.section)(resource, &address.name)
    }
}

/// The part of a section that has one part under each name, such as `queues.work`.
pub(super) fn below(section: &str, name: &str) -> Option<String> {
    Some(format!("{section}.{name}"))
}

/// A section that has only one part.
pub(super) fn whole(section: &str) -> Option<String> {
    Some(section.to_owned())
}

/// The beginning of every name of the stack. Long names are cut, but this beginning always stays.
fn shortest_prefix(scope: &Scope) -> String {
    format!("{}-", scope.prefix()).chars().take(SHORTEST_NAME).collect()
}

/// The length of that beginning. A domain's name has 28 characters, and the hash of a long name takes nine of them with
/// its dash.
const SHORTEST_NAME: usize = 19;
