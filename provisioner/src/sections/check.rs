//! Finds the mistakes that no schema finds: references, limits that depend on each other, and everything that AWS
//! refuses and that can be known offline. The sources are in the comments of the kinds.

use super::list::SECTIONS;
use super::mend::Mended;
use super::say::Say;
use super::{Loaded, names, tags, whereabouts};
use crate::yaml::Problem;

pub(super) fn check(loaded: &Loaded, mended: &Mended, problems: &mut Vec<Problem>) {
    let mut say = Say { positions: &loaded.positions, mended, problems };
    names::check(loaded, &mut say);
    whereabouts::check(loaded, &mut say);
    tags::check(&loaded.stack, &mut say);
    for section in SECTIONS {
        if let Some(check) = section.check {
            check(loaded, &mut say);
        }
    }
}
