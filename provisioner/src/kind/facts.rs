//! The name of a resource, and the constants of its kind: its fields, the durations of its calls, the refusals that end
//! by themselves.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of one resource, such as `sqs.queue work`.
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

/// The constants of a kind. They stand at the top of the kind's file.
#[derive(Debug)]
pub struct Facts {
    /// The kind's name, `<service>.<resource>`, such as `sqs.queue`.
    pub name: &'static str,
    /// Every field of `State`, with its class and the effect of a change.
    pub fields: &'static [Field],
    /// The typical durations in seconds, from the comment at the top of the kind's file. The longest path, the progress
    /// and the deadlines use them.
    pub seconds: Seconds,
    /// The kinds whose outputs `read` uses. These kinds are read before.
    pub read_after: &'static [&'static str],
    /// Whether deleting or replacing a resource loses data. `provision` does that only with a flag that names the
    /// resource.
    pub holds_data: bool,
    /// Whether a resource holds data of which AWS takes no last snapshot. Where a last snapshot is asked for, the
    /// resource is kept.
    pub no_last_snapshot: bool,
    /// The field that names the original, for a kind whose data are only a copy. Other kinds have `None`.
    pub copy_of: Option<&'static str>,
    /// The things that go with a resource although nobody has to name them, such as messages and log lines. They are
    /// shown to the reader of a plan.
    pub takes_along: &'static str,
    /// Whether a second create makes a second resource, because no unique name stops it. Then the SDK's retries are off
    /// for the create, and after a crash or a lost answer the engine looks the resource up by tag until the lag is
    /// over.
    pub unnamed: bool,
    /// Whether an update gives new outputs (a new revision), so that the resources that use them change too.
    pub update_moves_output: bool,
    /// Whether AWS takes changes only one after the other, and some only of a resource that is ready. Then the engine
    /// acts again as often as a change is left that the last act did not leave.
    pub stepwise: bool,
    /// Whether the stack answers requests only when the resource is ready. Such a resource counts for *serving*.
    pub serves: bool,
    /// Whether the resource is only a record that something was done to the resource that it refers to. Its removal
    /// waits for nobody, so that the resources around it can go at the same time.
    pub only_a_record: bool,
    /// Whether the resource is a part of the resource that it refers to, as rules are of a group. A part goes when all
    /// other users of that resource have gone.
    pub part: bool,
    /// The error codes of a create whose name is taken. After such an error the engine looks whether the resource is
    /// ours.
    pub exists: &'static [&'static str],
    /// The refusals that end by themselves, each with the seconds for which it is worth waiting.
    pub retry: &'static [Retry],
    /// The IAM actions of the calls in the kind's file, dependent ones (pass role, tag on create) included.
    pub actions: &'static [&'static str],
    /// The field that protects a resource against deletion. `None` if there is no such field.
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
        stepwise: false,
        serves: false,
        only_a_record: false,
        part: false,
        exists: &[],
        retry: &[],
        actions: &[],
        protection: None,
        untagged: "",
    };

    /// The service of the kind: `sqs` of `sqs.queue`. Resources of one service share a poller.
    pub fn service(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    /// Whether a change of some fields gives new outputs.
    pub fn moves_output<'a>(&self, mut fields: impl Iterator<Item = &'a str>) -> bool {
        fields.any(|name| match self.field(name) {
            Some(field) => self.update_moves_output || field.moves_output,
            // The tags are no field.
            None => false,
        })
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

    /// A refusal that has this code, and this text as a part of its message.
    pub const fn saying(code: &'static str, text: &'static str, seconds: u32) -> Retry {
        Retry { code, text, seconds }
    }
}

/// One field of a kind's state, and the effect of a change on those who depend on the resource.
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
    /// Whether a change gives new outputs, so that the resources that use them change too.
    pub moves_output: bool,
    /// The word for one member of a field whose members were all put there by others, as in `inline policy`. Other
    /// fields have `None`.
    pub beside: Option<&'static str>,
}

impl Field {
    /// A field that the stack file or a security rule sets. It is compared, and changed in place.
    pub const fn wanted(name: &'static str) -> Field {
        Field::of(name, Class::Wanted)
    }

    /// A field like `wanted` that AWS cannot change: another value means another resource.
    pub const fn fixed(name: &'static str) -> Field {
        Field::of(name, Class::Wanted).with(Effect::Replace)
    }

    /// A field that gets a default at the create. After that the live value is kept.
    pub const fn chosen(name: &'static str) -> Field {
        Field::of(name, Class::ChosenOnce)
    }

    /// A field that AWS changes by itself. It is never compared.
    pub const fn theirs(name: &'static str) -> Field {
        Field::of(name, Class::Theirs)
    }

    /// A field that AWS never returns. It is compared by the version id that a tag keeps.
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
            moves_output: false,
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

    pub const fn moves_output(self) -> Field {
        Field { moves_output: true, ..self }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Wanted,
    ChosenOnce,
    Theirs,
    WriteOnly,
}

/// The effect of changing a field on the people who use the resource. The effects are ordered: of several, the worst
/// counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    InPlace,
    Restart,
    Failover,
    Downtime,
    Replace,
}
