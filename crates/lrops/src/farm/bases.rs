//! Bases for buildx: assembled here, for every platform that a Dockerfile needs them for, and read from the store.

use std::collections::BTreeMap;
use std::time::Instant;

use lrops_bases::Freshness;
use lrops_buildx::NeededContext;
use lrops_model::blob::BlobStore;
use lrops_model::digest::Digest;
use lrops_model::event::{BuildEvent, StepName, StepOutcome};
use lrops_model::oci::{Descriptor, DescriptorPlatform, Index, MediaType, encode};
use lrops_model::platform::Platform;
use lrops_model::request::{BuildRequest, NamedContext, PullPolicy};

use crate::failure::Failure;
use crate::progress::Progress;
use crate::session::{BaseWanted, Session};

/// Assembles the bases that are needed, and returns where each lies in the store: an index, or the one manifest.
pub(super) fn assemble<'n>(
    needs: impl Iterator<Item = &'n [NeededContext]>,
    request: &BuildRequest,
    session: &Session,
    progress: &Progress,
) -> Result<BTreeMap<String, Digest>, Failure> {
    let mut wanted: BTreeMap<String, Vec<Platform>> = BTreeMap::new();
    for needs in needs {
        collect(needs, request, &mut wanted);
    }
    let mut assembled = BTreeMap::new();
    for (name, platforms) in wanted {
        let mut manifests = Vec::new();
        for platform in &platforms {
            let mut manifest = one(&name, platform, request, session, progress)?;
            manifest.platform = Some(DescriptorPlatform::from(platform));
            manifests.push(manifest);
        }
        let digest = match &manifests[..] {
            [only] => only.digest,
            _ => combined(manifests, session)?,
        };
        assembled.insert(name, digest);
    }
    Ok(assembled)
}

fn collect(needs: &[NeededContext], request: &BuildRequest, wanted: &mut BTreeMap<String, Vec<Platform>>) {
    for need in needs {
        if let Some(NamedContext::Base(base)) = request.named_contexts.get(&need.name) {
            let platforms = wanted.entry(base.clone()).or_default();
            for platform in &need.platforms {
                if !platforms.contains(platform) {
                    platforms.push(platform.clone());
                }
            }
        }
        collect(&need.needs, request, wanted);
    }
}

/// Assembles a base for one platform, and shows it.
fn one(
    name: &str,
    platform: &Platform,
    request: &BuildRequest,
    session: &Session,
    progress: &Progress,
) -> Result<Descriptor, Failure> {
    let step = progress.next_number();
    let begun = Instant::now();
    progress.event(&BuildEvent::Started {
        step,
        name: StepName::Activity(format!("[{name} {platform}] assembling the base")),
    });
    let wanted = BaseWanted {
        name,
        platform,
        freshness: match request.pull {
            PullPolicy::Always => Freshness::Refresh,
            PullPolicy::Missing => Freshness::Reuse,
        },
        cancel: &request.cancel,
    };
    let bases = session.bases()?;
    let built = session.build_base_showing(&bases, wanted, &|what, current, total| {
        progress.event(&BuildEvent::Progress {
            step,
            what: what.to_owned(),
            current,
            total,
        });
    });
    progress.event(&BuildEvent::Finished {
        step,
        outcome: match &built {
            Ok(_) => StepOutcome::Done,
            Err(_) if request.cancel.check().is_err() => StepOutcome::Cancelled,
            Err(error) => StepOutcome::Failed {
                reason: error.to_string(),
            },
        },
        seconds: begun.elapsed().as_secs_f64(),
    });
    request.cancel.check()?;
    let built = built.map_err(|source| {
        Failure::work(
            format!("failed to assemble the base {name:?} for {platform}"),
            source,
        )
    })?;
    for finding in built.findings {
        progress.event(&BuildEvent::Found { finding });
    }
    Ok(built.manifest)
}

/// Writes an index of a base's manifests.
fn combined(manifests: Vec<Descriptor>, session: &Session) -> Result<Digest, Failure> {
    let bytes = encode(&Index {
        schema_version: 2,
        media_type: Some(MediaType::OCI_INDEX),
        manifests,
        annotations: BTreeMap::new(),
    });
    let root = Descriptor::of(MediaType::OCI_INDEX, &bytes);
    let written = session.store.layout().put(&root, &mut bytes.as_slice());
    written.map_err(|source| Failure::work("failed to write a base's index into the store", source))?;
    Ok(root.digest)
}
