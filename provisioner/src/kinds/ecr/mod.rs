//! Amazon ECR.

mod image;
mod repository;

pub use image::{Image, ImageOutput, ImageSpec};
pub use repository::{Repository, RepositoryOutput, RepositorySpec};
