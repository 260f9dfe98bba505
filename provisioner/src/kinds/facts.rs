//! The name of a resource, and the constants of its kind: what its fields are, how long its calls take, which refusals end by
//! themselves.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// The constants of a kind, which one reads at the top of the kind's file.
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
    /// What goes with a resource although nobody has to name it: messages, log lines. For the reader of a plan.
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
    /// The reason why a resource has no tags of its own; "" for a kind whose resources have tags.
    pub untagged: &'static str,
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
        untagged: "",
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

impl Retry {
    pub const fn code(code: &'static str, seconds: u32) -> Retry {
        Retry { code, text: "", seconds }
    }

    pub const fn text(text: &'static str, seconds: u32) -> Retry {
        Retry { code: "", text, seconds }
    }

    /// With this code and, as a part of the message, this text.
    pub const fn saying(code: &'static str, text: &'static str, seconds: u32) -> Retry {
        Retry { code, text, seconds }
    }
}

/// One field of a kind's state, and what a change of it means to those who depend on the resource.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub class: Class,
    pub effect: Effect,
    /// The seconds for which those who use the resource notice it, from and to.
    pub outage: (u32, u32),
    /// The seconds that the change takes, where that is not the kind's usual time.
    pub takes: Option<(u32, u32)>,
    /// A note for the reader of a plan.
    pub note: &'static str,
    /// The live value may be anybody's secret, so it is never shown.
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
