//! The bundled runtime in the two forms that AWS takes: an OCI image for ECS and a zip for Lambda.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::image::{self, Architecture, Image};

/// The artefacts of a stack. They are built if the stack uses the runtime, and empty otherwise.
#[derive(Default)]
pub struct Artefacts {
    pub image: Option<Image>,
    pub zip: Option<Zip>,
}

/// A Lambda deployment package.
pub struct Zip {
    pub bytes: Vec<u8>,
    /// The digest, in the form of Lambda.
    pub sha256: String,
}

/// Finds the runtime and builds the artefacts that are asked for. The same runtime gives the same digests.
pub fn build(image: bool, zip: bool) -> Result<Artefacts> {
    if !image && !zip {
        return Ok(Artefacts::default());
    }
    let architecture = Architecture::X86_64;
    let path = image::find_runtime(architecture)?;
    let runtime = std::fs::read(&path).with_context(|| format!("reading the runtime, `{}`", path.display()))?;
    let zip = match zip {
        true => {
            let bytes = image::lambda_zip(&runtime)?;
            let sha256 = STANDARD.encode(Sha256::digest(&bytes));
            Some(Zip { bytes, sha256 })
        }
        false => None,
    };
    let image = if image { Some(image::build(&runtime, architecture)?) } else { None };
    Ok(Artefacts { image, zip })
}
