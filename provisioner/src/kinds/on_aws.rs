//! The calls of a kind on AWS.
//!
//! The file of a kind implements [`OnAws`] beside [`Kind`]. [`AnyOnAws`] is the same with its types erased, so that
//! kinds of all types fit into one list. The erasing is written once. It decides nothing.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;

use crate::aws::evidence::Evidence;
use crate::aws::{Cx, Error, Look};
use crate::kind::any::{AnyKind, AnyLive};
use crate::kind::facts::Address;
use crate::kind::json::Json;
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Outputs, Status};
use crate::scope::Scope;

/// The calls of a kind. A kind implements them as plain `async fn`.
pub trait OnAws: Kind {
    /// Reads the live resources: every wanted one that exists, and every other one that this stack owns. One function
    /// serves the plan, the poller, the hunt for orphans and the proof that a resource is gone, so batch it as far as
    /// the API allows.
    fn read(cx: &Cx, query: &Query<'_, Self>) -> impl Future<Output = Result<Vec<Live<Self>>, Error>> + Send;

    /// Creates a resource, and returns as soon as it exists. `read` tells whether it is ready.
    fn create(cx: &Cx, name: &str, want: &Self::State) -> impl Future<Output = Result<Self::Output, Error>> + Send;

    /// Changes the fields that `changed` names, and no others.
    fn update(
        cx: &Cx,
        live: &Live<Self>,
        want: &Self::State,
        changed: &Changed,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Starts the removal. It succeeds if the resource is already gone.
    fn delete(cx: &Cx, live: &Live<Self>, last: LastWish) -> impl Future<Output = Result<(), Error>> + Send;

    /// Lifts a protection against deletion that the stack file asked for.
    fn unprotect(_: &Cx, _: &Live<Self>) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Collects evidence for people after this resource failed: events, stopped reasons, the last log lines. It does
    /// its best, and misses evidence that it cannot get.
    fn explain(_: &Cx, _: &Live<Self>) -> impl Future<Output = Evidence> + Send {
        async { Evidence::default() }
    }
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

/// The choice what happens to the data of a resource that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWish {
    Discard,
    Snapshot,
}

/// The question that `read` answers.
pub struct Query<'a, K: Kind> {
    pub scope: &'a Scope,
    pub wanted: Vec<(String, K::Spec)>,
    /// The outputs of the live resources of the kinds in `read_after`.
    pub outputs: &'a Outputs<'a>,
    pub look: &'a Look,
}

impl<K: Kind> Query<'_, K> {
    /// The names in the stack of the wanted resources, each by the name under which AWS knows it.
    pub fn named(&self, known_as: impl Fn(&str, &K::Spec) -> String) -> HashMap<String, &str> {
        self.wanted.iter().map(|(name, spec)| (known_as(name, spec), name.as_str())).collect()
    }
}

/// [`OnAws`] with its types erased.
pub trait AnyOnAws: AnyKind {
    fn read<'a>(
        &'a self,
        cx: &'a Cx,
        wanted: &'a [(String, Json)],
        outputs: &'a Outputs<'a>,
        look: &'a Look,
    ) -> BoxFuture<'a, Result<Vec<AnyLive>, Error>>;
    fn create<'a>(&'a self, cx: &'a Cx, name: &'a str, want: &'a Json) -> BoxFuture<'a, Result<Json, Error>>;
    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        live: &'a AnyLive,
        want: &'a Json,
        changed: &'a Changed,
    ) -> BoxFuture<'a, Result<(), Error>>;
    fn delete<'a>(&'a self, cx: &'a Cx, live: &'a AnyLive, last: LastWish) -> BoxFuture<'a, Result<(), Error>>;
    fn unprotect<'a>(&'a self, cx: &'a Cx, live: &'a AnyLive) -> BoxFuture<'a, Result<(), Error>>;
    fn explain<'a>(&'a self, cx: &'a Cx, live: &'a AnyLive) -> BoxFuture<'a, Evidence>;
}

impl<K: OnAws> AnyOnAws for K {
    fn read<'a>(
        &'a self,
        cx: &'a Cx,
        wanted: &'a [(String, Json)],
        outputs: &'a Outputs<'a>,
        look: &'a Look,
    ) -> BoxFuture<'a, Result<Vec<AnyLive>, Error>> {
        Box::pin(async move {
            let mut specs = Vec::new();
            for (name, spec) in wanted {
                specs.push((name.clone(), typed::<K::Spec>(spec)?));
            }
            let query = Query { scope: &cx.scope, wanted: specs, outputs, look };
            Ok(K::read(cx, &query).await?.into_iter().map(erase_live).collect())
        })
    }

    fn create<'a>(&'a self, cx: &'a Cx, name: &'a str, want: &'a Json) -> BoxFuture<'a, Result<Json, Error>> {
        Box::pin(async move { Ok(Json::of(&K::create(cx, name, &typed(want)?).await?)) })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        live: &'a AnyLive,
        want: &'a Json,
        changed: &'a Changed,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { K::update(cx, &typed_live(live)?, &typed(want)?, changed).await })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, live: &'a AnyLive, last: LastWish) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { K::delete(cx, &typed_live(live)?, last).await })
    }

    fn unprotect<'a>(&'a self, cx: &'a Cx, live: &'a AnyLive) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { K::unprotect(cx, &typed_live(live)?).await })
    }

    fn explain<'a>(&'a self, cx: &'a Cx, live: &'a AnyLive) -> BoxFuture<'a, Evidence> {
        Box::pin(async move {
            match typed_live(live) {
                Ok(live) => K::explain(cx, &live).await,
                Err(_) => Evidence::default(),
            }
        })
    }
}

fn typed<T: DeserializeOwned>(value: &Json) -> Result<T, Error> {
    value.read().map_err(|cause| Error::ours(format!("a value does not fit its kind: {cause}")))
}

fn erase_live<K: Kind>(live: Live<K>) -> AnyLive {
    let is_wrong = match live.owner {
        Owner::Tagged(_) => !K::FACTS.untagged.is_empty(),
        Owner::Child => K::FACTS.untagged.is_empty(),
        Owner::Beside(_) | Owner::Foreign => false,
    };
    debug_assert!(!is_wrong, "the facts of {} say otherwise whether it has tags", K::FACTS.name);
    // If a kind has no outputs for a ready resource, only the status tells whether the resource is ready.
    let told = size_of::<K::Ready>() > 0 || live.status == Status::Ready;
    AnyLive {
        address: Address { kind: K::FACTS.name, name: live.name },
        id: live.id,
        owner: live.owner,
        state: Json::of(&live.state),
        output: Json::of(&live.output),
        ready: live.ready.as_ref().filter(|_| told).map(Json::of),
        status: live.status,
    }
}

fn typed_live<K: Kind>(live: &AnyLive) -> Result<Live<K>, Error> {
    Ok(Live {
        name: live.address.name.clone(),
        id: live.id.clone(),
        owner: live.owner.clone(),
        state: typed(&live.state)?,
        output: typed(&live.output)?,
        ready: match &live.ready {
            Some(ready) => Some(typed(ready)?),
            None => None,
        },
        status: live.status.clone(),
    })
}
