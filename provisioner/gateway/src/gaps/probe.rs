//! The probe of a gap: a few raw calls, and a look at their answers.

use crate::answer::Answer;
use crate::request::Request;
use crate::upstream::{Emulator, Upstreams};
use anyhow::Result;

/// One call of a probe. `{0:vpcId}` in the body stands for that element of the first call's answer, `{0:/a/b}` for a JSON field.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The signing name.
    pub service: &'static str,
    /// `X-Amz-Target`, or `METHOD /path` for rest-json, or an empty text for a form.
    pub target: &'static str,
    pub body: &'static str,
}

/// A gap: something that an emulator gets wrong.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    pub emulator: Emulator,
    pub name: &'static str,
    pub why: &'static str,
    pub steps: &'static [Step],
    /// Whether the answers still show the gap.
    pub still: fn(&[Answer]) -> bool,
}

pub(super) const fn form(service: &'static str, body: &'static str) -> Step {
    Step { service, target: "", body }
}

pub(super) const fn json(service: &'static str, target: &'static str, body: &'static str) -> Step {
    Step { service, target, body }
}

impl Gap {
    /// Whether the emulator still has the gap, and what it answered to each step.
    pub async fn ask(&self, upstreams: &Upstreams) -> Result<(bool, Vec<String>)> {
        let mut answers: Vec<Answer> = Vec::new();
        for step in self.steps {
            let mut body = step.body.to_owned();
            for (n, answer) in answers.iter().enumerate() {
                while let Some((start, rest)) = body.split_once(&format!("{{{n}:")) {
                    let (field, end) = rest.split_once('}').unwrap_or((rest, ""));
                    let text = if field.starts_with('/') { answer.json_text(field) } else { answer.xml_text(field) };
                    body = format!("{start}{}{end}", text.unwrap_or("MISSING"));
                }
            }
            let request = Request::probe(step.service, step.target, &body);
            answers.push(upstreams.ask(self.emulator, &request).await?);
        }
        let told =
            answers.iter().map(|answer| format!("{} {}", answer.status, String::from_utf8_lossy(&answer.bytes()))).collect();
        Ok(((self.still)(&answers), told))
    }
}
