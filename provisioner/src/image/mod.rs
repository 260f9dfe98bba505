//! The artefacts that carry the runtime to AWS: a container image, made without Docker, and a Lambda package.
//!
//! These are pure functions from bytes to bytes. They use no clock, no user and no file system. The same runtime gives
//! the same digest, so that a second `up` finds its image in the registry, and a second plan is empty.

pub mod artefacts;
mod runtime;

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::scope::hex;

pub use self::runtime::{Architecture, build_runtime, build_script, find_runtime};

/// What the resources of a stack take from outside of its file: the fingerprints of the runtime's two forms, the boundary
/// of its roles, and the secrets that somebody else made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Digests {
    /// The digest of the image's manifest, `sha256:…`.
    pub image: String,
    /// The digest of the Lambda package, in the form of Lambda.
    pub zip: String,
    /// The ARN of the stack's own permissions boundary, if the account has that policy.
    #[serde(default)]
    pub boundary: Option<String>,
    /// The secrets that somebody else made, each under its name or ARN in the stack file. One that was not found, or not
    /// looked for, is missing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, ExistingSecret>,
}

/// A secret that somebody else made, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExistingSecret {
    pub arn: String,
    /// The current version.
    pub version_id: String,
    /// The version before it, while Secrets Manager has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The ARN of its key, or a pattern for it. `None` if the key is AWS's own, which everybody who may read the secret
    /// may use.
    pub key: Option<String>,
}

/// What may be another thing outside of the stack file, so that a resource changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    AsItIs,
    /// The runtime was built anew.
    Rebuilt,
    /// The account has no boundary for the roles of the stack.
    Unbounded,
    /// The secrets that somebody else made have other versions.
    Rotated,
}

/// Bytes that a registry stores under their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    pub media_type: &'static str,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub manifest: Blob,
    pub config: Blob,
    pub layers: Vec<Blob>,
}

/// Builds an OCI image of one layer. <https://github.com/opencontainers/image-spec>
pub fn build(runtime: &[u8], architecture: Architecture) -> anyhow::Result<Image> {
    let rootfs = rootfs(runtime)?;
    let layer = blob("application/vnd.oci.image.layer.v1.tar+gzip", gzip(&rootfs)?);
    let config = json_blob(
        "application/vnd.oci.image.config.v1+json",
        &json!({
            "created": EPOCH,
            "architecture": architecture.name(),
            "os": "linux",
            "config": { "User": format!("{USER}:{USER}"), "Entrypoint": ["/runtime"], "WorkingDir": "/" },
            "rootfs": { "type": "layers", "diff_ids": [digest(&rootfs)] },
            "history": [{ "created": EPOCH, "created_by": "provision" }],
        }),
    );
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json_blob(
        media_type,
        &json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(&config),
            "layers": [descriptor(&layer)],
        }),
    );
    Ok(Image { manifest, config, layers: vec![layer] })
}

/// The root file system as a tar: the binary, and the few files that a C library or another program looks for.
pub fn rootfs(runtime: &[u8]) -> anyhow::Result<Vec<u8>> {
    let passwd = format!("root:x:0:0:root:/:/sbin/nologin\nruntime:x:{USER}:{USER}:runtime:/:/sbin/nologin\n");
    let group = format!("root:x:0:\nruntime:x:{USER}:\n");
    let mut tar = tar::Builder::new(Vec::new());
    for (path, mode, content) in [
        ("etc/", 0o755, None),
        ("etc/group", 0o644, Some(group.as_bytes())),
        ("etc/hosts", 0o644, Some(HOSTS.as_bytes())),
        ("etc/nsswitch.conf", 0o644, Some(NSSWITCH.as_bytes())),
        ("etc/passwd", 0o644, Some(passwd.as_bytes())),
        ("etc/ssl/", 0o755, None),
        ("etc/ssl/certs/", 0o755, None),
        ("etc/ssl/certs/ca-certificates.crt", 0o644, Some(mozilla_roots().as_bytes())),
        ("etc/ssl/certs/rds-global-bundle.pem", 0o644, Some(RDS_ROOTS)),
        ("runtime", 0o755, Some(runtime)),
        ("tmp/", 0o1777, None),
    ] {
        let mut header = Header::new_ustar();
        header.set_entry_type(match content {
            Some(_) => EntryType::Regular,
            None => EntryType::Directory,
        });
        let content = content.unwrap_or_default();
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content)?;
    }
    Ok(tar.into_inner()?)
}

/// The Lambda package for the runtime `provided.al2023`: a zip with `bootstrap` in it.
pub fn lambda_zip(runtime: &[u8]) -> anyhow::Result<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        // This is the earliest time that a zip can hold.
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", options)?;
    zip.write_all(runtime)?;
    Ok(zip.finish()?.into_inner())
}

impl Architecture {
    /// The name that images and Go have for it.
    fn name(self) -> &'static str {
        match self {
            Architecture::X86_64 => "amd64",
            Architecture::Arm64 => "arm64",
        }
    }
}

const EPOCH: &str = "1970-01-01T00:00:00Z";

/// The number that distroless images use for a user without rights. It is a number, because `runAsNonRoot` cannot judge
/// names.
const USER: u32 = 65532;

/// Docker and Fargate put their own file over it. In a chroot this one counts.
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";

/// Without this file the C library would look for plugins that a static binary cannot load.
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

/// The certificate authorities of RDS, which are in no public list.
const RDS_ROOTS: &[u8] = include_bytes!("../../../templates/rds-global-bundle.pem");

fn mozilla_roots() -> String {
    let mut pem = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = BASE64_STANDARD.encode(certificate);
        while !rest.is_empty() {
            let next = rest.split_off(rest.len().min(64));
            pem.push_str(&rest);
            pem.push('\n');
            rest = next;
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

fn gzip(plain: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(plain)?;
    Ok(gzip.finish()?)
}

fn descriptor(blob: &Blob) -> Value {
    json!({ "mediaType": blob.media_type, "digest": blob.digest, "size": blob.bytes.len() })
}

fn json_blob(media_type: &'static str, json: &Value) -> Blob {
    blob(media_type, json.to_string().into_bytes())
}

fn blob(media_type: &'static str, bytes: Vec<u8>) -> Blob {
    Blob { media_type, digest: digest(&bytes), bytes }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_same_runtime_gives_the_same_image() {
        let image = build(b"binary", Architecture::Arm64).unwrap();
        assert_eq!(image, build(b"binary", Architecture::Arm64).unwrap());
        let others = [build(b"binary", Architecture::X86_64).unwrap(), build(b"another", Architecture::Arm64).unwrap()];
        assert!(others.iter().all(|other| other.manifest.digest != image.manifest.digest));
        assert_eq!(lambda_zip(b"binary").unwrap(), lambda_zip(b"binary").unwrap());
    }

    #[test]
    fn the_parts_of_an_image_name_each_other() {
        let image = build(b"binary", Architecture::Arm64).unwrap();
        let manifest: Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
        assert_eq!(manifest["mediaType"], image.manifest.media_type);
        assert_eq!(manifest["config"]["digest"], digest(&image.config.bytes));
        let layer = &image.layers[0];
        assert_eq!(manifest["layers"][0]["digest"], digest(&layer.bytes));
        assert_eq!(manifest["layers"][0]["size"], layer.bytes.len());

        let config: Value = serde_json::from_slice(&image.config.bytes).unwrap();
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(layer.bytes.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], digest(&unpacked));
        assert_eq!(config["architecture"], "arm64");
        assert_eq!(config["created"], EPOCH);
        assert_eq!(config["config"], json!({ "User": "65532:65532", "Entrypoint": ["/runtime"], "WorkingDir": "/" }));
        assert_eq!(layer.bytes[4..8], [0; 4], "the time in the gzip header");
    }

    #[test]
    fn the_root_file_system_has_nothing_of_the_machine_in_it() {
        let rootfs = rootfs(b"binary").unwrap();
        let mut listing = Vec::new();
        for entry in tar::Archive::new(rootfs.as_slice()).entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            let numbers = (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap());
            assert_eq!(numbers, (0, 0, 0));
            let path = entry.path().unwrap().display().to_string();
            listing.push(format!("{:4o} {path}", header.mode().unwrap()));
        }
        assert_eq!(
            listing,
            [
                " 755 etc/",
                " 644 etc/group",
                " 644 etc/hosts",
                " 644 etc/nsswitch.conf",
                " 644 etc/passwd",
                " 755 etc/ssl/",
                " 755 etc/ssl/certs/",
                " 644 etc/ssl/certs/ca-certificates.crt",
                " 644 etc/ssl/certs/rds-global-bundle.pem",
                " 755 runtime",
                "1777 tmp/",
            ]
        );
    }

    #[test]
    fn certificates_are_pem() {
        let mozilla = mozilla_roots();
        let rds = std::str::from_utf8(RDS_ROOTS).unwrap();
        for (pem, at_least) in [(mozilla.as_str(), 100), (rds, 100)] {
            let begun = pem.matches("-----BEGIN CERTIFICATE-----\n").count();
            assert_eq!(begun, pem.matches("-----END CERTIFICATE-----\n").count());
            assert!(begun >= at_least, "{begun}");
        }
        assert!(mozilla.lines().all(|line| line.len() <= 64));
    }

    #[test]
    fn the_lambda_package_is_one_executable_file() {
        let mut zip = zip::ZipArchive::new(Cursor::new(lambda_zip(b"binary").unwrap())).unwrap();
        assert_eq!(zip.len(), 1);
        let mut file = zip.by_name("bootstrap").unwrap();
        assert_eq!(file.unix_mode(), Some(0o100_755));
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        assert_eq!(content, b"binary");
    }
}
