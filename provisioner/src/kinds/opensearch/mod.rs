//! Amazon OpenSearch Service.

mod domain;

pub use domain::{Domain, DomainOutput, DomainReady, DomainSpec, DomainState, Inside, Searcher};
