//! Compares the platforms that there are with those that were asked for.

use lrops_model::finding::Finding;

use super::advice;
use super::documents::{Documents, Image};
use super::expectations::Expectations;

/// Adds a finding for each platform that is missing, there twice, or there unasked.
pub(super) fn check(documents: &Documents, expectations: &Expectations, findings: &mut Vec<Finding>) {
    let images = &documents.images;
    for platform in &expectations.platforms {
        let mut present = images
            .iter()
            .map(|image| &image.platform)
            .chain(&documents.unread);
        if !present.any(|present| present == platform) {
            let has: Vec<String> = images.iter().map(|image| image.platform.to_string()).collect();
            let has = if has.is_empty() {
                "none".to_owned()
            } else {
                has.join(", ")
            };
            let message = format!("the image has no {platform}; its platforms: {has}");
            findings.push(Finding::error("MissingPlatform", message).advise(format!(
                "build it with --platform …,{platform}, or do not ask for it"
            )));
        }
    }
    for (index, image) in images.iter().enumerate() {
        if images[..index]
            .iter()
            .any(|earlier| is_same_choice(earlier, image))
        {
            let message = format!(
                "the index has {} more than once; {} is never chosen",
                image.platform, image.descriptor.digest
            );
            findings.push(Finding::error("DuplicatePlatform", message).advise(advice::BUILDER));
        }
        if !expectations.platforms.is_empty() && !expectations.platforms.contains(&image.platform) {
            let message = format!("the image has {}, which was not asked for", image.platform);
            findings.push(
                Finding::error("UnexpectedPlatform", message)
                    .advise("ask for it with --platform, or build the image without it"),
            );
        }
    }
}

/// Windows images differ by the version of the operating system as well.
fn is_same_choice(one: &Image, other: &Image) -> bool {
    let details = |image: &Image| {
        let promised = image.promised.as_ref();
        promised.map(|platform| (platform.os_version.clone(), platform.os_features.clone()))
    };
    one.platform == other.platform && details(one) == details(other)
}
