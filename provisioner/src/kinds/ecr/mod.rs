//! Amazon ECR.

mod image;
mod repository;

pub use image::{Image, ImageOutput, ImageSpec, ImageState};
pub use repository::{Repository, RepositoryOutput, RepositorySpec, RepositoryState};
