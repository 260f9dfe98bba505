//! [`Kind`] with its types erased, so that kinds of all types fit into one list. Written once; nothing here decides.

use std::future::Future;
use std::pin::Pin;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aws::evidence::Evidence;
use crate::aws::{Cx, Error, Look};
use crate::kinds::facts::{Address, Facts};
use crate::kinds::json::Json;
use crate::kinds::kind::{Changed, Kind, LastWish, Live, Missing, Outputs, Query, Status};
use crate::kinds::owner::Owner;
use crate::scope::Scope;

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Live`] with its types erased.
#[derive(Clone, Debug)]
pub struct AnyLive {
    pub address: Address,
    pub id: String,
    pub owner: Owner,
    pub state: Json,
    pub output: Json,
    pub ready: Option<Json>,
    pub status: Status,
}

pub trait AnyKind: Send + Sync {
    fn facts(&self) -> &'static Facts;
    /// The names of the fields of `State`, for the registry's tests.
    fn state_fields(&self) -> Vec<String>;
    /// An output and a ready part with nothing in them, from which the plan makes placeholders.
    fn blank(&self) -> (Value, Value);
    fn want(&self, scope: &Scope, name: &str, spec: &Json, outputs: &Outputs) -> Result<Json, Missing>;
    fn patience(&self, spec: &Json) -> u32;
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

impl<K: Kind> AnyKind for K {
    fn facts(&self) -> &'static Facts {
        const { &K::FACTS }
    }

    fn state_fields(&self) -> Vec<String> {
        match Json::of(&K::State::default()).tree() {
            Value::Object(map) => map.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    fn blank(&self) -> (Value, Value) {
        (Json::of(&K::Output::default()).tree(), Json::of(&K::Ready::default()).tree())
    }

    fn want(&self, scope: &Scope, name: &str, spec: &Json, outputs: &Outputs) -> Result<Json, Missing> {
        let spec: K::Spec = typed(spec).expect("expand writes specs of the kind's own type");
        Ok(Json::of(&K::want(scope, name, &spec, outputs)?))
    }

    fn patience(&self, spec: &Json) -> u32 {
        typed::<K::Spec>(spec).map_or(0, |spec| K::patience(&spec))
    }

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
    // Where there is nothing to tell but that it is ready, the status tells.
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
