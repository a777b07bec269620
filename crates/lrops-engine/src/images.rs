//! What images are: a name is looked up in a layout, a registry or among the bases, its platform is chosen, and its
//! manifest and config are brought into the store. Layers follow when a step needs them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use lrops_model::blob::{BlobError, BlobSource, BlobStore, read_document};
use lrops_model::digest::Digest;
use lrops_model::engine::BuildError;
use lrops_model::event::OutputStream;
use lrops_model::finding::{Finding, Place};
use lrops_model::graph::{Graph, ImageOp, Op, Step, StepId, StepLabel};
use lrops_model::oci::{Descriptor, ImageConfig, Index, Manifest, MediaType};
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;
use lrops_model::request::{BuildRequest, DockerfileText, LayoutSelector, NamedContext};
use lrops_model::upload::{Upload, UploadJournal};
use lrops_remote::registry::Registry;
use lrops_store::layout::Layout;

use crate::build::EngineSettings;
use crate::reporter::Activity;
use crate::step::chain;

/// An image whose config is known and whose file system is a step.
pub(crate) struct ResolvedImage {
    pub(crate) config: ImageConfig,
    pub(crate) graph: Graph,
    pub(crate) root: Option<StepId>,
}

/// Looks up images, and remembers where their layers can be had.
pub(crate) struct Images<'a> {
    settings: &'a EngineSettings<'a>,
    request: &'a BuildRequest,
    layers: Mutex<BTreeMap<Digest, Arc<dyn BlobSource>>>,
}

/// An image that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {message}")]
pub(crate) struct ImageError {
    name: String,
    message: String,
    advice: Option<String>,
    rule: &'static str,
}

const IMAGE_NOT_AVAILABLE: &str = "ImageNotAvailable";

/// The rule of findings about images whose registry refuses who asks.
pub const IMAGE_ACCESS_DENIED: &str = "ImageAccessDenied";

/// The rule of findings about images whose registry gave no answer that says what the image is.
pub const IMAGE_NOT_REACHED: &str = "ImageNotReached";

impl ImageError {
    /// Returns the error at the place of the Dockerfile that names the image.
    pub(crate) fn at(self, dockerfile: &DockerfileText, place: &Place) -> BuildError {
        let finding = Finding::error(self.rule, self.to_string()).at(place.clone());
        let finding = match self.advice {
            Some(advice) => finding.advise(advice),
            None => finding,
        };
        let (name, text) = (dockerfile.name.clone(), dockerfile.text.clone());
        BuildError::Dockerfile {
            name,
            text,
            findings: vec![finding],
        }
    }
}

/// A place that has an image, and what names it there.
struct Located {
    source: Arc<dyn BlobSource>,
    root: Descriptor,
    /// The name that it has in a registry.
    reference: Option<Reference>,
}

impl<'a> Images<'a> {
    pub(crate) fn new(settings: &'a EngineSettings<'a>, request: &'a BuildRequest) -> Self {
        Self {
            settings,
            request,
            layers: Mutex::default(),
        }
    }

    /// Returns where the blob of a layer can be had.
    pub(crate) fn source_of(&self, layer: Digest) -> Option<Arc<dyn BlobSource>> {
        self.layers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&layer)
            .cloned()
    }

    /// Finds the image that a name means for a platform.
    pub(crate) fn resolve(
        &self,
        name: &str,
        context: Option<&NamedContext>,
        platform: &Platform,
        activity: &Activity<'_>,
    ) -> Result<ResolvedImage, ImageError> {
        if let Some(NamedContext::Image(reference)) = context
            && reference.familiar() == "scratch"
        {
            return Ok(nothing(platform));
        }
        let located = match context {
            Some(NamedContext::Layout { path, selector }) => layout(name, path, selector),
            Some(NamedContext::Base(base)) => self.base(name, base, platform, activity),
            Some(NamedContext::Image(reference)) => self.registry(name, reference, activity),
            Some(NamedContext::Directory(_) | NamedContext::Dockerfile(_)) => {
                unreachable!("these are no images")
            }
            None => {
                let reference =
                    name.parse()
                        .map_err(|error: lrops_model::reference::ParseReferenceError| {
                            failure(name, error.to_string(), None)
                        })?;
                self.registry(name, &reference, activity)
            }
        }?;
        self.open(name, &located, platform)
    }

    fn base(
        &self,
        name: &str,
        base: &str,
        platform: &Platform,
        activity: &Activity<'_>,
    ) -> Result<Located, ImageError> {
        let Some(provide) = self.settings.provide_base else {
            return Err(failure(name, format!("there is no base {base:?} here"), None));
        };
        let progress = |what: &str, current, total| activity.progress(what, current, total);
        let root =
            provide(base, platform, &progress).map_err(|error| failure(name, chain(error.as_ref()), None))?;
        Ok(Located {
            source: Arc::new(self.settings.store.layout().clone()),
            root,
            reference: None,
        })
    }

    fn registry(
        &self,
        name: &str,
        reference: &Reference,
        activity: &Activity<'_>,
    ) -> Result<Located, ImageError> {
        let advice =
            "name another source for it: --build-context NAME=oci-layout://DIR, or a base in lrops.toml";
        let advice = || Some(advice.to_owned());
        let registry: &Registry = self
            .settings
            .registry
            .ok_or_else(|| failure(name, "no registry can be asked here".to_owned(), advice()))?;
        let resolved = registry
            .resolve(reference, &self.request.cancel)
            .map_err(|error| {
                let advice = error.advice().or_else(advice);
                let mut failure = failure(name, chain(&error), advice);
                if error.problem.is_refused() {
                    failure.rule = IMAGE_ACCESS_DENIED;
                } else if error.problem.status() != Some(404) {
                    failure.rule = IMAGE_NOT_REACHED;
                }
                failure
            })?;
        if let Some(mirror) = &resolved.mirror {
            let said = format!("the mirror {mirror} answered for {}\n", reference.registry());
            activity.output(OutputStream::Stdout, said.as_bytes());
        }
        let image = registry.image(reference, &self.request.cancel);
        Ok(Located {
            source: Arc::new(image),
            root: resolved.descriptor,
            reference: Some(reference.clone()),
        })
    }

    /// Reads manifest and config for a platform, keeps both, and makes the step of the file system.
    fn open(&self, name: &str, located: &Located, platform: &Platform) -> Result<ResolvedImage, ImageError> {
        let source = located.source.as_ref();
        let manifest_descriptor = choose(name, source, &located.root, platform)?;
        let manifest_bytes = self.keep(name, source, &manifest_descriptor)?;
        let manifest: Manifest = parse(name, "manifest", &manifest_bytes)?;
        let config_bytes = self.keep(name, source, &manifest.config)?;
        let config: ImageConfig = parse(name, "config", &config_bytes)?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            let message = format!(
                "its config names {} layers and its manifest {}",
                config.rootfs.diff_ids.len(),
                manifest.layers.len()
            );
            return Err(failure(name, message, None));
        }
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        for layer in &manifest.layers {
            layers
                .entry(layer.digest)
                .or_insert_with(|| Arc::clone(&located.source));
        }
        drop(layers);
        if let Some(reference) = &located.reference {
            self.note(reference, &manifest);
        }
        let mut graph = Graph::default();
        let root = (!manifest.layers.is_empty()).then(|| {
            let op = Op::Image(ImageOp {
                name: name.to_owned(),
                manifest: Some(manifest_descriptor),
                layers: manifest.layers,
                diff_ids: config.rootfs.diff_ids.clone(),
            });
            let label = StepLabel {
                instruction: format!("FROM {name}"),
                ..StepLabel::default()
            };
            graph.add(
                Step {
                    op,
                    inputs: Vec::new(),
                    label,
                },
                platform,
            )
        });
        if let Some(step) = root.and_then(|root| graph.steps.get_mut(&root)) {
            // The platforms are those of the targets that come to use it.
            step.label.platforms.clear();
        }
        Ok(ResolvedImage { config, graph, root })
    }

    /// Notes where the blobs of an image are, so that a push to the same registry can have them mounted.
    fn note(&self, reference: &Reference, manifest: &Manifest) {
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            self.settings.store.uploads().note(&Upload {
                registry: reference.registry().to_owned(),
                repository: reference.repository().to_owned(),
                digest: blob.digest,
            });
        }
    }

    /// Reads a document and keeps it in the store, verified.
    fn keep(
        &self,
        name: &str,
        source: &dyn BlobSource,
        descriptor: &Descriptor,
    ) -> Result<Vec<u8>, ImageError> {
        let failed = |error: BlobError| failure(name, chain(&error), None);
        let layout = self.settings.store.layout();
        let bytes = if layout.contains(descriptor).map_err(failed)? {
            read_document(layout, descriptor)
        } else {
            read_document(source, descriptor)
        };
        let bytes = bytes.map_err(failed)?;
        layout.put(descriptor, &mut bytes.as_slice()).map_err(failed)?;
        Ok(bytes)
    }
}

/// The image that is nothing, under another name.
fn nothing(platform: &Platform) -> ResolvedImage {
    let mut config = ImageConfig {
        os: platform.os.clone(),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone(),
        ..ImageConfig::default()
    };
    "/".clone_into(&mut config.config.working_dir);
    ResolvedImage {
        config,
        graph: Graph::default(),
        root: None,
    }
}

/// Finds an image in a layout on disk.
fn layout(name: &str, path: &std::path::Path, selector: &LayoutSelector) -> Result<Located, ImageError> {
    let failed = |message: String| failure(name, format!("the layout {}: {message}", path.display()), None);
    let layout = Layout::open(path).map_err(|error| failed(chain(&error)))?;
    let index = layout.index().map_err(|error| failed(chain(&error)))?;
    let mut candidates = index.manifests.iter().filter(|descriptor| match selector {
        LayoutSelector::Digest(digest) => descriptor.digest == *digest,
        LayoutSelector::Tag(tag) => {
            let names = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];
            names.iter().any(|key| {
                descriptor
                    .annotations
                    .get(*key)
                    .is_some_and(|name| tag_matches(name, tag))
            })
        }
        LayoutSelector::Only => true,
    });
    let root = match (candidates.next(), candidates.next()) {
        (Some(only), None) => only.clone(),
        (None, _) => return Err(failed(format!("it has no image {selector:?}"))),
        // Two entries of the same content are one image with two names.
        (Some(first), Some(second)) if first.digest == second.digest => first.clone(),
        (Some(_), Some(_)) => {
            return Err(failed(
                "it has several images: say which with :TAG or @DIGEST".to_owned(),
            ));
        }
    };
    Ok(Located {
        source: Arc::new(layout),
        root,
        reference: None,
    })
}

/// A layout's tag is written alone or as a whole reference.
fn tag_matches(name: &str, tag: &str) -> bool {
    name == tag
        || name
            .parse::<Reference>()
            .is_ok_and(|reference| reference.tag_or_latest() == Some(tag))
}

/// Chooses a platform's manifest: the root itself if it is one, else the index's best fit.
fn choose(
    name: &str,
    source: &dyn BlobSource,
    root: &Descriptor,
    platform: &Platform,
) -> Result<Descriptor, ImageError> {
    let bytes = read_document(source, root).map_err(|error| failure(name, chain(&error), None))?;
    if !is_index(root, &bytes) {
        return Ok(root.clone());
    }
    let index: Index = parse(name, "index", &bytes)?;
    let platforms: Vec<(Platform, &Descriptor)> = index
        .manifests
        .iter()
        .filter_map(|descriptor| Some((descriptor.target_platform()?, descriptor)))
        .collect();
    let exact = platforms.iter().find(|(candidate, _)| candidate == platform);
    // The best of those that the platform runs: the highest variant.
    let compatible = platforms
        .iter()
        .filter(|(candidate, _)| {
            candidate.architecture == platform.architecture && platform.runs_natively(candidate)
        })
        .max_by(|(one, _), (other, _)| one.variant.cmp(&other.variant));
    // An index with a single entry that names no platform means that entry.
    let only = match index.manifests.as_slice() {
        [only] if only.platform.is_none() => Some(only),
        _ => None,
    };
    let chosen = exact.or(compatible).map(|(_, descriptor)| *descriptor).or(only);
    chosen.cloned().ok_or_else(|| {
        let there: Vec<String> = platforms
            .iter()
            .map(|(platform, _)| platform.to_string())
            .collect();
        let message = format!("no match for platform in manifest: not found: it has no {platform}");
        failure(name, message, Some(format!("it has: {}", there.join(", "))))
    })
}

/// A layout's index may leave the media type open; then the document itself says.
fn is_index(descriptor: &Descriptor, bytes: &[u8]) -> bool {
    if descriptor.media_type.is_index() || descriptor.media_type.is_manifest() {
        return descriptor.media_type.is_index();
    }
    serde_json::from_slice::<Index>(bytes).is_ok_and(|index| {
        index
            .media_type
            .as_ref()
            .map_or(!index.manifests.is_empty(), MediaType::is_index)
    })
}

fn parse<T: serde::de::DeserializeOwned>(name: &str, what: &str, bytes: &[u8]) -> Result<T, ImageError> {
    serde_json::from_slice(bytes)
        .map_err(|error| failure(name, format!("its {what} cannot be read: {error}"), None))
}

fn failure(name: &str, message: String, advice: Option<String>) -> ImageError {
    ImageError {
        name: name.to_owned(),
        message,
        advice,
        rule: IMAGE_NOT_AVAILABLE,
    }
}
