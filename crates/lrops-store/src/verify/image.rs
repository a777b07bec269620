//! Compares a platform's index entry, manifest and config with each other.

use lrops_model::finding::Finding;
use lrops_model::oci::ImageConfig;

use super::documents::Image;
use super::{advice, tally};

/// Adds a finding for each disagreement. The layers' content is looked at elsewhere.
pub(super) fn check(image: &Image, findings: &mut Vec<Finding>) {
    let platform = &image.platform;
    for (index, layer) in image.manifest.layers.iter().enumerate() {
        if layer.media_type.layer_compression().is_none() {
            let message = format!(
                "layer {} of {platform} is of the type {}, which is no layer that lrops knows",
                index + 1,
                tally::quote(&layer.media_type.0)
            );
            findings.push(Finding::error("UnknownMediaType", message).advise(advice::BUILDER));
        }
    }
    if let Some(config) = &image.config {
        check_platform(image, config, findings);
        check_counts(image, config, findings);
    }
}

fn check_platform(image: &Image, config: &ImageConfig, findings: &mut Vec<Finding>) {
    if config.os.is_empty() || config.architecture.is_empty() {
        let message = format!(
            "the config {} names no operating system or no architecture",
            image.manifest.config.digest
        );
        findings.push(Finding::error("ConfigWithoutPlatform", message).advise(advice::BUILDER));
        return;
    }
    let (promised, found) = (&image.platform, config.platform());
    if image.promised.is_some() && found != *promised {
        let message = format!("the index says {promised}, but that image's config says {found}");
        findings.push(Finding::error("PlatformMismatch", message).advise(advice::PLATFORM_MISMATCH));
    }
}

fn check_counts(image: &Image, config: &ImageConfig, findings: &mut Vec<Finding>) {
    let platform = &image.platform;
    let layers = image.manifest.layers.len();
    let diff_ids = config.rootfs.diff_ids.len();
    if diff_ids != layers {
        let message =
            format!("{platform}: the manifest's layers are {layers}, the config's diff IDs {diff_ids}");
        findings.push(Finding::error("LayerCountMismatch", message).advise(advice::BUILDER));
    }
    let steps = config.history.iter().filter(|entry| !entry.empty_layer).count();
    // A history is optional, and some tools that squash layers drop it.
    if !config.history.is_empty() && steps != layers {
        let message = format!("{platform}: the manifest's layers are {layers}, those of its history {steps}");
        findings.push(Finding::error("HistoryMismatch", message).advise(advice::BUILDER));
    }
}
