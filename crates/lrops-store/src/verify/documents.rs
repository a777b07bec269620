//! Reads the documents of an image: indexes, manifests and configs.

use std::collections::BTreeSet;

use lrops_model::blob::BlobSource;
use lrops_model::cancel::CancelToken;
use lrops_model::finding::Finding;
use lrops_model::oci::{Descriptor, DescriptorPlatform, ImageConfig, Index, Manifest, MediaType};
use lrops_model::platform::Platform;
use serde::de::DeserializeOwned;

use super::blob::{Damage, read_document};
use super::report::VerifyError;
use super::{advice, tally};

/// How deep indexes may lie in indexes.
const INDEX_DEPTH_MAX: usize = 4;

/// How many manifests and indexes are read.
const DOCUMENTS_MAX: usize = 10_000;

/// How a builder marks what belongs to an image without being one.
const ATTACHMENT_ANNOTATION: &str = "vnd.docker.reference.type";

/// The documents that a root reaches.
pub(super) struct Documents {
    /// One for each manifest of a platform, in the index's order.
    pub(super) images: Vec<Image>,
    /// Platforms that the index names, but whose manifest cannot be read.
    pub(super) unread: Vec<Platform>,
    /// Blobs of which only the bytes matter, with their part in the image.
    pub(super) attachments: Vec<(String, Descriptor)>,
    /// What was wrong so far.
    pub(super) findings: Vec<Finding>,
    /// Whether all indexes could be read, so that it is known which platforms there are.
    pub(super) complete: bool,
}

/// One platform's image.
pub(super) struct Image {
    /// The platform that the index names; without one, the config's.
    pub(super) platform: Platform,
    /// The index's own words, where it names a platform.
    pub(super) promised: Option<DescriptorPlatform>,
    pub(super) descriptor: Descriptor,
    pub(super) manifest: Manifest,
    /// `None` when it cannot be read.
    pub(super) config: Option<ImageConfig>,
}

/// Reads what `root` reaches.
pub(super) fn read(
    source: &dyn BlobSource,
    root: &Descriptor,
    cancel: &CancelToken,
) -> Result<Documents, VerifyError> {
    let mut reader = Reader {
        source,
        cancel,
        seen: BTreeSet::new(),
        count: 0,
        documents: Documents {
            images: Vec::new(),
            unread: Vec::new(),
            attachments: Vec::new(),
            findings: Vec::new(),
            complete: true,
        },
    };
    if root.media_type.is_manifest() {
        reader.image(root, None)?;
    } else if root.media_type.is_index() {
        reader.index(root, 1)?;
    } else {
        reader.unknown_type(root, "an index or a manifest", "the root");
        reader.documents.complete = false;
    }
    Ok(reader.documents)
}

struct Reader<'a> {
    source: &'a dyn BlobSource,
    cancel: &'a CancelToken,
    /// Indexes on the way and done: one that names itself is impossible with honest digests, one named twice is read
    /// once.
    seen: BTreeSet<lrops_model::digest::Digest>,
    count: usize,
    documents: Documents,
}

impl Reader<'_> {
    fn index(&mut self, descriptor: &Descriptor, depth: usize) -> Result<(), VerifyError> {
        if !self.seen.insert(descriptor.digest) {
            return Ok(());
        }
        let Some(index) = self.document::<Index>(descriptor, "the index")? else {
            self.documents.complete = false;
            return Ok(());
        };
        self.check_header(
            index.schema_version,
            index.media_type.as_ref(),
            descriptor,
            "the index",
        );
        if index.manifests.is_empty() {
            let message = format!("the index {} names no manifest", descriptor.digest);
            self.find(Finding::error("EmptyIndex", message).advise(advice::BUILDER));
        }
        for entry in &index.manifests {
            self.entry(entry, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Descriptor, depth: usize) -> Result<(), VerifyError> {
        self.count += 1;
        if self.count > DOCUMENTS_MAX {
            if self.count == DOCUMENTS_MAX + 1 {
                let message =
                    format!("the image has more than {DOCUMENTS_MAX} manifests; the rest was not read");
                self.find(Finding::error("TooManyManifests", message));
            }
            return Ok(());
        }
        if entry.media_type.is_index() {
            return self.nested_index(entry, depth);
        }
        if !entry.media_type.is_manifest() {
            self.unknown_type(entry, "a manifest", "the index's entry");
            return Ok(());
        }
        match &entry.platform {
            Some(platform) if platform.os == "unknown" || platform.architecture == "unknown" => {
                self.attachment(entry)
            }
            Some(platform) => self.image(entry, Some(platform.clone())),
            None => {
                let message = format!("the index names no platform for the manifest {}", entry.digest);
                self.find(
                    Finding::warning("PlatformNotNamed", message)
                        .advise("registries and engines choose by that field: have the builder write it"),
                );
                self.image(entry, None)
            }
        }
    }

    fn nested_index(&mut self, entry: &Descriptor, depth: usize) -> Result<(), VerifyError> {
        if depth == INDEX_DEPTH_MAX {
            let message = format!(
                "the index {} lies more than {INDEX_DEPTH_MAX} indexes deep and was not read",
                entry.digest
            );
            self.find(Finding::error("NestedIndex", message));
            return Ok(());
        }
        let message = format!("the index {} lies in another index", entry.digest);
        self.find(Finding::warning("NestedIndex", message).advise(
            "many engines look for their platform in the outer index only: name the manifests there",
        ));
        self.index(entry, depth + 1)
    }

    /// An entry that no machine runs: an attestation, as other builders put into the index.
    fn attachment(&mut self, entry: &Descriptor) -> Result<(), VerifyError> {
        let what = "the manifest of unknown/unknown";
        let message = format!("the index has an entry for unknown/unknown: {}", entry.digest);
        let advice = "it shows up as one more platform in registries and in scripts that list platforms: build without \
                      attestations (--provenance=false --sbom=false), or attach them as referrers";
        let finding = if entry.annotations.contains_key(ATTACHMENT_ANNOTATION) {
            Finding::warning("UnknownPlatform", message)
        } else {
            Finding::error("UnknownPlatform", message)
        };
        self.find(finding.advise(advice));
        if let Some(manifest) = self.document::<Manifest>(entry, what)? {
            self.check_header(manifest.schema_version, manifest.media_type.as_ref(), entry, what);
            let blobs = std::iter::once(manifest.config).chain(manifest.layers);
            let blobs = blobs.map(|blob| ("a blob of the unknown/unknown entry".to_owned(), blob));
            self.documents.attachments.extend(blobs);
        }
        Ok(())
    }

    fn image(
        &mut self,
        descriptor: &Descriptor,
        promised: Option<DescriptorPlatform>,
    ) -> Result<(), VerifyError> {
        let platform = promised.as_ref().map(DescriptorPlatform::normal);
        let of = platform
            .as_ref()
            .map_or(String::new(), |platform| format!(" of {platform}"));
        let what = format!("the manifest{of}");
        let Some(manifest) = self.document::<Manifest>(descriptor, &what)? else {
            // Which platform a manifest without an index is for, only its config says.
            self.documents.complete &= platform.is_some();
            self.documents.unread.extend(platform);
            return Ok(());
        };
        self.check_header(
            manifest.schema_version,
            manifest.media_type.as_ref(),
            descriptor,
            &what,
        );
        let config = self.config(&manifest.config, &format!("the config{of}"))?;
        let Some(platform) = platform.or_else(|| config.as_ref().map(ImageConfig::platform)) else {
            self.documents.complete = false;
            let layers = manifest.layers.into_iter();
            let layers = layers.map(|layer| ("a layer".to_owned(), layer));
            self.documents.attachments.extend(layers);
            return Ok(());
        };
        self.documents.images.push(Image {
            platform,
            promised,
            descriptor: descriptor.clone(),
            manifest,
            config,
        });
        Ok(())
    }

    fn config(&mut self, descriptor: &Descriptor, what: &str) -> Result<Option<ImageConfig>, VerifyError> {
        let media_type = &descriptor.media_type;
        if *media_type != MediaType::OCI_CONFIG && *media_type != MediaType::DOCKER_CONFIG {
            self.unknown_type(descriptor, "an image config", what);
            return Ok(None);
        }
        self.document(descriptor, what)
    }

    /// Reads and parses a document; what is wrong with it is a finding.
    fn document<T: DeserializeOwned>(
        &mut self,
        descriptor: &Descriptor,
        what: &str,
    ) -> Result<Option<T>, VerifyError> {
        let bytes: Result<Vec<u8>, Damage> = read_document(self.source, descriptor, self.cancel)?;
        let finding = match bytes {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(document) => return Ok(Some(document)),
                Err(error) => {
                    let message = format!("{what} {} is not understood: {error}", descriptor.digest);
                    Finding::error("DocumentUnreadable", message).advise(advice::BUILDER)
                }
            },
            Err(damage) => damage.finding(what, descriptor),
        };
        self.find(finding);
        Ok(None)
    }

    /// Checks what every index and manifest says about itself.
    fn check_header(
        &mut self,
        schema_version: u32,
        media_type: Option<&MediaType>,
        descriptor: &Descriptor,
        what: &str,
    ) {
        if schema_version != 2 {
            let message = format!(
                "{what} {} has the schema version {schema_version} instead of 2",
                descriptor.digest
            );
            self.find(Finding::error("SchemaVersion", message).advise(advice::BUILDER));
        }
        if let Some(own) = media_type.filter(|own| **own != descriptor.media_type) {
            let message = format!(
                "{what} {} calls itself {}, but its descriptor says {}",
                descriptor.digest,
                tally::quote(&own.0),
                descriptor.media_type
            );
            self.find(Finding::error("MediaTypeMismatch", message).advise(advice::BUILDER));
        }
    }

    /// Reports a descriptor whose blob cannot be understood; its bytes are still looked at.
    fn unknown_type(&mut self, descriptor: &Descriptor, expected: &str, what: &str) {
        let message = format!(
            "{what} {} is of the type {}, which is not {expected}",
            descriptor.digest,
            tally::quote(&descriptor.media_type.0)
        );
        self.find(Finding::error("UnknownMediaType", message).advise(advice::BUILDER));
        let attachment = (what.to_owned(), descriptor.clone());
        self.documents.attachments.push(attachment);
    }

    fn find(&mut self, finding: Finding) {
        self.documents.findings.push(finding);
    }
}
