//! `api:`, the settings of the stack's one HTTP API. There is an API if a function has `http`.

pub(crate) mod check;

use schemars::JsonSchema;
use serde::Deserialize;

/// The HTTP API of the stack, which all functions with `http` share.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// How many requests a second the API takes. Others get 429. Default: 1000.
    #[schemars(range(min = 1, max = 10000))]
    pub rate: Option<u32>,
    /// How many requests may come at once, above the rate. Default: 2000.
    #[schemars(range(min = 1, max = 5000))]
    pub burst: Option<u32>,
    /// The pages of other sites that may call the API. Default: none.
    pub cors: Option<Cors>,
}

/// What the API answers to browsers that ask for a page of another site.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// The sites, such as `https://shop.example.com`. `*` is every site.
    pub origins: Vec<String>,
    /// The methods that they may use. Default: every method.
    #[serde(default)]
    pub methods: Vec<String>,
    /// The headers that they may send. Default: `content-type`.
    #[serde(default)]
    pub headers: Vec<String>,
}

impl Api {
    pub fn rate(&self) -> u32 {
        self.rate.unwrap_or(1000)
    }

    pub fn burst(&self) -> u32 {
        self.burst.unwrap_or(2000)
    }
}

impl Cors {
    pub fn methods(&self) -> Vec<String> {
        if self.methods.is_empty() { vec!["*".to_owned()] } else { self.methods.clone() }
    }

    pub fn headers(&self) -> Vec<String> {
        if self.headers.is_empty() { vec!["content-type".to_owned()] } else { self.headers.clone() }
    }
}
