//! `ecr.image`: the image of the runtime, pushed through the ECR API, so that no Docker is needed.
//!
//! An image is found by its digest, with one `BatchGetImage` per repository. The digest is the one that we computed.
//! Another digest means another image: it is pushed beside the old one. The old image stays for a way back until the
//! lifecycle policy takes it or the repository goes. Pushing the same image again does not fail. A layer goes up in
//! parts of the size that ECR asks for, 20 MiB.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_ecr::types::{ImageIdentifier, LayerAvailability};
use aws_smithy_types::Blob as Bytes;
use serde::{Deserialize, Serialize};

use super::Repository;
use crate::aws::{Cx, Error};
use crate::image::Blob;
use crate::kind::facts::{Facts, Field, Retry, Seconds};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Image;

#[derive(Serialize, Deserialize)]
pub struct ImageSpec {
    pub repository: Ref<Repository>,
    /// The digest of the manifest that we built, `sha256:…`. Another digest means another image: the old one stays for
    /// a way back.
    pub digest: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ImageState {
    pub repository: String,
    pub digest: String,
    pub uri: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ImageOutput {
    /// The address of the image, `<repository>@sha256:…`.
    pub uri: String,
}

impl Kind for Image {
    const FACTS: Facts = Facts {
        name: "ecr.image",
        untagged: "it belongs to its repository",
        fields: &[Field::fixed("repository"), Field::fixed("digest"), Field::fixed("uri")],
        seconds: Seconds { create: 5, update: 1, delete: 1 },
        read_after: &["ecr.repository"],
        retry: &[
            Retry::code("KmsException", 60),
            Retry::code("LayersNotFoundException", 60),
            Retry::code("RepositoryNotFoundException", 30),
            Retry::code("UploadNotFoundException", 60),
        ],
        actions: &[
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchDeleteImage",
            "ecr:BatchGetImage",
            "ecr:CompleteLayerUpload",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
        ],
        ..Facts::DEFAULT
    };

    type Spec = ImageSpec;
    type State = ImageState;
    type Output = ImageOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &ImageSpec, outputs: &Outputs) -> Result<ImageState, Missing> {
        let repository = outputs.get(&spec.repository)?;
        let uri = format!("{}@{}", repository.uri, spec.digest);
        Ok(ImageState { repository: repository.name, digest: spec.digest.clone(), uri })
    }
}

impl OnAws for Image {
    async fn read(cx: &Cx, query: &Query<'_, Image>) -> Result<Vec<Live<Image>>, Error> {
        let mut wanted: HashMap<String, Vec<(&str, ImageState)>> = HashMap::new();
        for (name, spec) in &query.wanted {
            // Without its repository there is no image.
            if let Ok(state) = Image::want(query.scope, name, spec, query.outputs) {
                wanted.entry(state.repository.clone()).or_default().push((name, state));
            }
        }
        let mut live = Vec::new();
        for (repository, images) in wanted {
            let there = digests(cx, &repository, images.iter().map(|(_, state)| state.digest.as_str())).await?;
            for (name, state) in images.into_iter().filter(|(_, state)| there.contains(&state.digest)) {
                let (id, output) = (state.uri.clone(), ImageOutput { uri: state.uri.clone() });
                live.push(Live::ready((name.to_owned(), Owner::Child), id, state, output));
            }
        }
        Ok(live)
    }

    async fn create(cx: &Cx, _: &str, want: &ImageState) -> Result<ImageOutput, Error> {
        let Some(image) = &cx.artefacts.image else {
            return Err(Error::ours(
                "there is no runtime to put into an image: build it with `runtime/build.sh x86_64` in the source \
                 checkout, or name one with PROVISION_RUNTIME",
            ));
        };
        if image.manifest.digest != want.digest {
            let text =
                format!("the runtime has changed since the plan: it is {} now. Run again", image.manifest.digest);
            return Err(Error::ours(text));
        }
        let blobs: Vec<&Blob> = image.layers.iter().chain([&image.config]).collect();
        let there = layers(cx, &want.repository, &blobs).await?;
        for blob in blobs.into_iter().filter(|blob| !there.contains(&blob.digest)) {
            upload(cx, &want.repository, blob).await?;
        }
        let call = cx.ecr.put_image().repository_name(&want.repository).image_digest(&want.digest);
        let call = call.image_tag(tag(&want.digest)).image_manifest_media_type(image.manifest.media_type);
        let manifest = String::from_utf8_lossy(&image.manifest.bytes);
        Error::unless_gone(call.image_manifest(manifest).send().await, &["ImageAlreadyExistsException"])?;
        Ok(ImageOutput { uri: want.uri.clone() })
    }

    async fn update(_: &Cx, live: &Live<Image>, _: &ImageState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours(format!("an image never changes: {}", live.id)))
    }

    async fn delete(cx: &Cx, live: &Live<Image>, _: LastWish) -> Result<(), Error> {
        let id = ImageIdentifier::builder().image_digest(&live.state.digest).build();
        let call = cx.ecr.batch_delete_image().repository_name(&live.state.repository).image_ids(id);
        Error::or_gone(call.send().await, GONE)
    }
}

const GONE: &[&str] = &["ImageNotFoundException", "RepositoryNotFoundException"];

/// The tag of an image. Tags are final, so each content has a tag of its own.
fn tag(digest: &str) -> &str {
    digest.trim_start_matches("sha256:").get(..12).unwrap_or(digest)
}

/// Finds out which of these images are in the repository.
async fn digests(cx: &Cx, repository: &str, wanted: impl Iterator<Item = &str>) -> Result<BTreeSet<String>, Error> {
    let ids = wanted.map(|digest| ImageIdentifier::builder().image_digest(digest).build()).collect();
    let call = cx.ecr.batch_get_image().repository_name(repository).set_image_ids(Some(ids));
    let answer = Error::unless_gone(call.send().await, GONE)?;
    let images = answer.and_then(|answer| answer.images).unwrap_or_default();
    Ok(images.into_iter().filter_map(|image| image.image_id?.image_digest).collect())
}

/// Finds out which of these blobs are in the repository already.
async fn layers(cx: &Cx, repository: &str, blobs: &[&Blob]) -> Result<BTreeSet<String>, Error> {
    let digests = blobs.iter().map(|blob| blob.digest.clone()).collect();
    let call = cx.ecr.batch_check_layer_availability().repository_name(repository);
    let answer = call.set_layer_digests(Some(digests)).send().await?;
    let there = answer.layers.unwrap_or_default().into_iter();
    let there = there.filter(|layer| layer.layer_availability() == Some(&LayerAvailability::Available));
    Ok(there.filter_map(|layer| layer.layer_digest).collect())
}

async fn upload(cx: &Cx, repository: &str, blob: &Blob) -> Result<(), Error> {
    let begun = cx.ecr.initiate_layer_upload().repository_name(repository).send().await?;
    let id = begun.upload_id().unwrap_or_default();
    let size = begun.part_size().and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0);
    let mut first = 0;
    for part in blob.bytes.chunks(size.unwrap_or(PART)) {
        let next = first + i64::try_from(part.len()).unwrap_or(i64::MAX);
        let call = cx.ecr.upload_layer_part().repository_name(repository).upload_id(id);
        let call = call.part_first_byte(first).part_last_byte(next - 1).layer_part_blob(Bytes::new(part));
        call.send().await?;
        first = next;
    }
    let call = cx.ecr.complete_layer_upload().repository_name(repository).upload_id(id).layer_digests(&blob.digest);
    Error::or_gone(call.send().await, &["LayerAlreadyExistsException"])
}

/// The size of a part, where ECR does not say one.
const PART: usize = 20 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_follows_from_the_content() {
        let digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(tag(digest), "44136fa355b3");
    }
}
