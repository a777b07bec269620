//! The digests by which answers and images are found again.

use lrops_model::digest::{Digest, DigestHasher};

use crate::bases::BuildBase;
use crate::resolution::Resolution;
use crate::spec::BaseSpec;
use crate::suites::Suite;

/// Part of every recipe: to be raised when the same packages come out as other bytes.
const BUILDER_VERSION: &str = "base.v1";

/// The digest of what a specification says about packages, without where they come from.
pub(crate) fn specification(spec: &BaseSpec) -> Digest {
    let extra: Vec<_> = spec
        .extra_suites
        .iter()
        .map(|extra| extra.to_table().suite)
        .collect();
    let said = (
        &spec.distribution,
        &spec.suite,
        &spec.components,
        &extra,
        &spec.packages,
        &spec.exclude_packages,
    );
    Digest::of(serde_json::to_vec(&said).expect("a specification has plain values"))
}

/// What an archive was asked: the key of a resolution in the cache.
pub(crate) fn question(request: &BuildBase<'_>, suites: &[Suite]) -> Digest {
    let mut hasher = DigestHasher::new();
    hasher.field(BUILDER_VERSION);
    hasher.field(specification(request.spec).hex());
    hasher.field(request.platform.to_string());
    hasher.field(request.spec.snapshot.as_deref().unwrap_or_default());
    for suite in suites {
        hasher.field(&suite.name);
        hasher.field(&suite.address);
        hasher.field(suite.components.join(" "));
        hasher.field(if suite.optional { "optional" } else { "needed" });
        suite
            .keyrings
            .iter()
            .for_each(|path| hasher.field(path.as_os_str().as_encoded_bytes()));
    }
    hasher.finish()
}

/// What an image follows from: the key of a built base.
pub(crate) fn recipe(spec: &BaseSpec, resolution: &Resolution, contents: &[Vec<u8>]) -> Digest {
    let mut hasher = DigestHasher::new();
    hasher.field(BUILDER_VERSION);
    let said = (
        &spec.distribution,
        &spec.suite,
        &spec.packages,
        &spec.users,
        &spec.groups,
        &spec.directories,
        &spec.files,
        &spec.links,
    );
    let also = (
        &spec.exclude,
        &spec.include,
        &spec.env,
        &spec.command,
        &spec.working_dir,
        &spec.user,
    );
    hasher.field(serde_json::to_vec(&(said, also)).expect("a specification has plain values"));
    for content in contents {
        hasher.field(Digest::of(content).hex());
    }
    hasher.field(resolution.platform.to_string());
    hasher.field(&resolution.codename);
    hasher.field(resolution.release.as_deref().unwrap_or_default());
    resolution
        .packages
        .iter()
        .for_each(|package| hasher.field(package.digest.hex()));
    hasher.finish()
}
