//! The probe of a gap: a few raw calls, and a look at their answers.

use crate::answer::Answer;
use crate::request::Request;
use crate::upstream::{Emulator, Upstreams};
use anyhow::Result;

/// One call of a probe. `{0:vpcId}` in the body or the path stands for that element of the first call's answer, `{0:/a/b}` for a JSON field.
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
            let (target, body) = (filled(step.target, &answers), filled(step.body, &answers));
            let request = Request::probe(step.service, &target, &body);
            answers.push(upstreams.ask(self.emulator, &request).await?);
        }
        let told =
            answers.iter().map(|answer| format!("{} {}", answer.status, String::from_utf8_lossy(&answer.bytes()))).collect();
        Ok(((self.still)(&answers), told))
    }
}

/// The text with what the earlier answers give.
fn filled(text: &str, answers: &[Answer]) -> String {
    let mut text = text.to_owned();
    for (n, answer) in answers.iter().enumerate() {
        while let Some((start, rest)) = text.split_once(&format!("{{{n}:")) {
            let (field, end) = rest.split_once('}').unwrap_or((rest, ""));
            let found = if field.starts_with('/') { answer.json_text(field) } else { answer.xml_text(field) };
            text = format!("{start}{}{end}", found.unwrap_or("MISSING"));
        }
    }
    text
}
