//! What a kind of resource is.
//!
//! A kind, such as `sqs.queue`, is a unit struct in a file of its own below [`crate::kinds`]. There is no state file: the
//! cloud is the record. So a kind says how to find what was made before, what is wanted now, and how to get from one to
//! the other. Live and wanted are the same type, so the diff is generic.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::{Cx, Error, Look};
use crate::board::{Missing, Outputs};
use crate::evidence::Evidence;
use crate::kinds;
use crate::scope::Scope;

/// The name of one resource: `sqs.queue work`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Address {
    pub kind: &'static str,
    pub name: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// One kind of resource. Implementers write plain `async fn`.
pub trait Kind: Send + Sync + Sized + 'static {
    /// What is constant about this kind.
    const FACTS: Facts;

    /// What [`crate::expand`] says. May hold [`Ref`]s to other resources.
    type Spec: Serialize + DeserializeOwned + Send + Sync;
    /// Every field that we manage, spelled out. Each one is listed with its class in `FACTS.fields`.
    type State: Serialize + DeserializeOwned + Default + Send + Sync;
    /// What others may use as soon as the resource exists: ids, ARNs, URLs.
    type Output: Serialize + DeserializeOwned + Default + Clone + Send + Sync;
    /// What others may use only once it is ready: endpoints. `()` for most.
    type Ready: Serialize + DeserializeOwned + Default + Clone + Send + Sync;

    /// The state we want. Pure: no clock, no network.
    fn want(scope: &Scope, name: &str, spec: &Self::Spec, outputs: &Outputs) -> Result<Self::State, Missing>;

    /// What is live: every wanted one that exists, and every other one that this stack owns. One function serves the
    /// plan, the poller, the hunt for orphans and the proof that something is gone, so batch it as far as the API allows.
    fn read(cx: &Cx, query: &Query<'_, Self>) -> impl Future<Output = Result<Vec<Live<Self>>, Error>> + Send;

    /// Returns as soon as it exists; whether it is ready is for `read` to say.
    fn create(cx: &Cx, name: &str, want: &Self::State) -> impl Future<Output = Result<Self::Output, Error>> + Send;

    /// Changes the fields for which `changed` says so, and no others.
    fn update(
        cx: &Cx,
        live: &Live<Self>,
        want: &Self::State,
        changed: &Changed,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Starts the removal. Succeeds if it is already gone.
    fn delete(cx: &Cx, live: &Live<Self>, last: LastWish) -> impl Future<Output = Result<(), Error>> + Send;

    /// Lifts a protection against deletion that the stack file asked for.
    fn unprotect(_: &Cx, _: &Live<Self>) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Seconds that it may take beyond what is usual, because the stack file says so.
    fn patience(_: &Self::Spec) -> u32 {
        0
    }

    /// Evidence for people when this failed: events, stopped reasons, the last log lines. Best effort.
    fn explain(_: &Cx, _: &Live<Self>) -> impl Future<Output = Evidence> + Send {
        async { Evidence::default() }
    }
}

/// What is constant about a kind, so that one can read it at the top of the kind's file.
#[derive(Debug)]
pub struct Facts {
    /// `<service>.<resource>`, as in `sqs.queue`.
    pub name: &'static str,
    /// Every field of `State`, with its class and what a change of it does.
    pub fields: &'static [Field],
    /// Typical seconds, from the table in the kind's own comment. Longest path first, progress and deadlines use them.
    pub seconds: Seconds,
    /// Kinds whose outputs `read` uses. They are read before.
    pub read_after: &'static [&'static str],
    /// Deleting or replacing it loses data: only with a flag that names it.
    pub holds_data: bool,
    /// It holds data and AWS takes no last snapshot of it: where one is asked for, it is kept.
    pub no_last_snapshot: bool,
    /// The field that names what its data is a copy of, if that is all that it holds.
    pub copy_of: Option<&'static str>,
    /// What goes with it although nobody has to name it: messages, log lines. For the reader of a plan.
    pub takes_along: &'static str,
    /// Nothing (no unique name) stops a second create from making a second one: the SDK's retries are off for the
    /// create, and after a crash or a lost answer it is looked up by tag until the lag is over.
    pub unnamed: bool,
    /// An update gives new outputs (a new revision), so what uses them changes too.
    pub update_moves_output: bool,
    /// Requests are answered only when it is ready: it counts for *serving*.
    pub serves: bool,
    /// It is a part of what it refers to, as rules are of a group: it goes when all others who use that have gone.
    pub part: bool,
    /// Error codes of a create whose name is taken. The engine looks whether it is ours.
    pub exists: &'static [&'static str],
    /// Refusals that end by themselves, and for how many seconds they are worth waiting for.
    pub retry: &'static [Retry],
    /// The IAM actions that this file calls, dependent ones (pass role, tag on create) included.
    pub actions: &'static [&'static str],
    /// The field that protects it against deletion, if there is one.
    pub protection: Option<&'static str>,
}

impl Facts {
    pub const DEFAULT: Facts = Facts {
        name: "",
        fields: &[],
        seconds: Seconds { create: 1, update: 1, delete: 1 },
        read_after: &[],
        holds_data: false,
        no_last_snapshot: false,
        copy_of: None,
        takes_along: "",
        unnamed: false,
        update_moves_output: false,
        serves: false,
        part: false,
        exists: &[],
        retry: &[],
        actions: &[],
        protection: None,
    };

    /// `sqs` of `sqs.queue`: resources of one service share a poller.
    pub fn service(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Seconds {
    pub create: u32,
    pub update: u32,
    pub delete: u32,
}

/// A refusal that ends by itself.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// The error code, or "" for any.
    pub code: &'static str,
    /// A part of the message, or "" for any.
    pub text: &'static str,
    pub seconds: u32,
}

/// One field of a kind's state, and what a change of it means to those who depend on the resource.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub class: Class,
    pub effect: Effect,
    /// For how many seconds they notice, from and to.
    pub outage: (u32, u32),
    /// How many seconds the change takes, where that is not the kind's usual time.
    pub takes: Option<(u32, u32)>,
    /// What the reader of a plan should know.
    pub note: &'static str,
    /// What is live may be anybody's secret, so it is never shown.
    pub hidden: bool,
    /// The word for one member of a field whose members were all put there by others, as in `inline policy`. Other
    /// fields have `None`.
    pub beside: Option<&'static str>,
}

impl Field {
    /// The file or a security rule sets it: compared, changed in place.
    pub const fn wanted(name: &'static str) -> Field {
        Field::of(name, Class::Wanted)
    }

    /// Like `wanted`, but AWS cannot change it: another value is another resource.
    pub const fn fixed(name: &'static str) -> Field {
        Field::of(name, Class::Wanted).with(Effect::Replace)
    }

    /// A default is used at create, then what is live is kept.
    pub const fn chosen(name: &'static str) -> Field {
        Field::of(name, Class::ChosenOnce)
    }

    /// AWS changes it by itself: never compared.
    pub const fn theirs(name: &'static str) -> Field {
        Field::of(name, Class::Theirs)
    }

    /// AWS never returns it: compared by the version id kept in a tag.
    pub const fn write_only(name: &'static str) -> Field {
        Field::of(name, Class::WriteOnly)
    }

    /// A field for the things that others have put beside ours, and that give rights, routes or traffic. It maps the
    /// name of each to what it says. None of them is wanted, so an update takes away every member. Things that AWS puts
    /// there itself are not among them. `what` is the word for one member.
    pub const fn beside(name: &'static str, what: &'static str) -> Field {
        Field { beside: Some(what), ..Field::of(name, Class::Wanted) }
    }

    const fn of(name: &'static str, class: Class) -> Field {
        Field {
            name,
            class,
            effect: Effect::InPlace,
            outage: (0, 0),
            takes: None,
            note: "",
            hidden: false,
            beside: None,
        }
    }

    pub const fn with(self, effect: Effect) -> Field {
        Field { effect, ..self }
    }

    pub const fn out_for(self, least: u32, most: u32) -> Field {
        Field { outage: (least, most), ..self }
    }

    pub const fn taking(self, least: u32, most: u32) -> Field {
        Field { takes: Some((least, most)), ..self }
    }

    pub const fn note(self, note: &'static str) -> Field {
        Field { note, ..self }
    }

    pub const fn hidden(self) -> Field {
        Field { hidden: true, ..self }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Wanted,
    ChosenOnce,
    Theirs,
    WriteOnly,
}

/// What changing a field does to the people who use the resource. Ordered: the worst of several counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    InPlace,
    Restart,
    Failover,
    Downtime,
    Replace,
}

/// The names of the top-level fields that differ.
#[derive(Clone, Debug, Default)]
pub struct Changed(pub Vec<String>);

impl Changed {
    pub fn has(&self, field: &str) -> bool {
        self.0.iter().any(|name| name == field)
    }

    pub fn any(&self, fields: &[&str]) -> bool {
        fields.iter().any(|field| self.has(field))
    }
}

/// What to do with the data of something that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWish {
    Discard,
    Snapshot,
}

/// What `read` is asked for.
pub struct Query<'a, K: Kind> {
    pub scope: &'a Scope,
    pub wanted: Vec<(String, K::Spec)>,
    /// Outputs of what is live, of the kinds in `read_after`.
    pub outputs: &'a Outputs<'a>,
    pub look: &'a Look,
}

/// A resource as it is.
pub struct Live<K: Kind> {
    pub name: String,
    /// What people look for in the console: the ARN, id or URL.
    pub id: String,
    pub owner: Owner,
    pub state: K::State,
    pub output: K::Output,
    /// `None` while it is not known yet.
    pub ready: Option<K::Ready>,
    pub status: Status,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Carries this stack's tag, and these beside those that say so.
    Tagged(BTreeMap<String, String>),
    /// Belongs to a parent that does, or says so in its own text.
    Child,
    /// Somebody else put it on this resource of ours, where it gives rights, routes or traffic. It is taken away.
    Beside(Address),
    /// Has our name but not our tag. Never touched.
    Foreign,
}

impl Owner {
    pub fn is_ours(&self) -> bool {
        *self != Owner::Foreign
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Ready,
    /// On its way, in AWS's own word: `creating`.
    Busy(String),
    /// Waiting will not help.
    Failed(String),
    /// On its way out.
    Deleting,
}

/// A reference to another resource. It names a *resource*; which of its outputs feeds what is picked by the type.
#[derive(Debug)]
pub struct Ref<K> {
    pub name: String,
    kind: PhantomData<fn() -> K>,
}

impl<K> Ref<K> {
    pub fn to(name: impl Into<String>) -> Ref<K> {
        Ref { name: name.into(), kind: PhantomData }
    }
}

impl<K> Clone for Ref<K> {
    fn clone(&self) -> Ref<K> {
        Ref::to(self.name.clone())
    }
}

/// What a [`Ref`] looks like in a serialized spec. One walk over a spec finds all edges, so none can be forgotten.
#[derive(Serialize, Deserialize)]
struct RefForm {
    #[serde(rename = "$ref")]
    name: String,
    #[serde(rename = "$kind")]
    kind: String,
}

impl<K: Kind> Serialize for Ref<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RefForm { name: self.name.clone(), kind: K::FACTS.name.to_owned() }.serialize(serializer)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Ref<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Ref<K>, D::Error> {
        let form = RefForm::deserialize(deserializer)?;
        if form.kind != K::FACTS.name {
            return Err(serde::de::Error::custom(format!(
                "`{}` is a {}, not a {}",
                form.name,
                form.kind,
                K::FACTS.name
            )));
        }
        Ok(Ref::to(form.name))
    }
}

/// All references in a serialized spec.
pub fn references(spec: &Value) -> Vec<Address> {
    let mut found = Vec::new();
    walk(spec, &mut found);
    found.sort();
    found.dedup();
    found.shrink_to_fit();
    found
}

fn walk(value: &Value, found: &mut Vec<Address>) {
    match value {
        Value::Object(map) => match (map.get("$kind"), map.get("$ref")) {
            (Some(Value::String(kind)), Some(Value::String(name))) => {
                let kind = kinds::find(kind).expect("a reference is written by the kind itself").facts().name;
                found.push(Address { kind, name: name.clone() });
            }
            _ => map.values().for_each(|inner| walk(inner, found)),
        },
        Value::Array(items) => items.iter().for_each(|inner| walk(inner, found)),
        _ => {}
    }
}
