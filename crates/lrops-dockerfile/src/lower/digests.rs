//! `FROM name@sha256:…` where the digest is that of one platform's image, and not of the index over all of them.

use std::collections::BTreeMap;

use lrops_model::finding::{Finding, Place};
use lrops_model::oci::ImageConfig;
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;

use super::contexts::is_named_context;
use super::stage::StageLowering;
use crate::check::rules as checks;

/// The lines that take an image by the digest of one platform's manifest for other platforms.
#[derive(Debug, Default)]
pub(super) struct Pinned {
    /// By the line's start and the image's name.
    lines: BTreeMap<(usize, String), Misfit>,
}

/// An image that is not that of the platforms which take it.
#[derive(Debug)]
struct Misfit {
    place: Place,
    found: Platform,
    wanted: Vec<Platform>,
}

impl StageLowering<'_> {
    /// Notes that the line which is being lowered takes an image for a platform.
    pub(super) fn note_digest(&mut self, name: &str, platform: &Platform, config: &ImageConfig) {
        let found = config.platform();
        let is_context = is_named_context(&self.inputs.named_contexts, name);
        let is_pinned = name
            .parse::<Reference>()
            .is_ok_and(|name| name.digest().is_some());
        if is_context || !is_pinned || config.os.is_empty() || serves(&found, config, platform) {
            return;
        }
        if !self.spot.options.reports(checks::SINGLE_PLATFORM_DIGEST) {
            return;
        }
        let place = self.spot.place.clone();
        self.pinned.add(name, place, found, platform);
    }
}

impl Pinned {
    fn add(&mut self, name: &str, place: Place, found: Platform, wanted: &Platform) {
        let line = self
            .lines
            .entry((place.span.start, name.to_owned()))
            .or_insert_with(|| Misfit {
                place,
                found,
                wanted: Vec::new(),
            });
        if !line.wanted.contains(wanted) {
            line.wanted.push(wanted.clone());
        }
    }

    /// Adds what was noted for another platform.
    pub(super) fn append(&mut self, other: Self) {
        for ((_, name), line) in other.lines {
            for wanted in &line.wanted {
                self.add(&name, line.place.clone(), line.found.clone(), wanted);
            }
        }
    }

    /// Returns what there is to say.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let lines = self.lines.iter();
        lines
            .map(|((_, name), line)| {
                let wanted: Vec<String> = line.wanted.iter().map(Platform::to_string).collect();
                let message = format!(
                    "{name} is the image of {} alone, and is taken for {}",
                    line.found,
                    wanted.join(", ")
                );
                let tag = name.split('@').next().unwrap_or_default();
                Finding::warning(checks::SINGLE_PLATFORM_DIGEST, message)
                    .at(line.place.clone())
                    .advise(format!(
                        "take the digest of the index, which `lrops image inspect docker://{tag}` shows"
                    ))
            })
            .collect()
    }
}

/// Returns whether an image is that of a platform. One that does not say its variant may be any.
fn serves(found: &Platform, config: &ImageConfig, platform: &Platform) -> bool {
    let is_same = found.os == platform.os && found.architecture == platform.architecture;
    is_same && (config.variant.is_none() || platform.runs_natively(found))
}
