//! `lrops image rm`: takes a name away, here or in a registry.

use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;
use lrops_model::reference::Reference;
use lrops_remote::registry::Registry;
use lrops_store::store::Store;

use crate::arguments::RemoveArguments;
use crate::commands::say;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::image::{self, parse_reference, registry_reference};
use crate::request::configuration_near;
use crate::session::open_store;
use crate::{registries, signals};

/// Removes images.
///
/// # Errors
/// When there is no such image, or the registry does not let it go; those before it are removed by then.
pub(super) fn remove(arguments: &RemoveArguments, environment: &Environment) -> Result<(), Failure> {
    let cancel = CancelToken::new();
    for text in &arguments.images {
        if let Some(reference) = registry_reference(text)? {
            let configuration = configuration_near(&arguments.places, &environment.directory, environment)?;
            let registry = registries::open(&configuration, &arguments.registries, environment)?;
            signals::watch(&cancel, say)?;
            let removal = Removal {
                registry: &registry,
                cancel: &cancel,
                force: arguments.force,
            };
            removal.remove(&reference)?;
            continue;
        }
        let store = open_store(&environment.store_root(arguments.places.store.as_deref()))?;
        match image::in_store(text, &store) {
            Ok((_, root)) => from_store(&store, text, &root)?,
            Err(failure) => return Err(with_registry_advice(failure, text)),
        }
    }
    Ok(())
}

/// A name that is not in the store may be meant as a registry's, which is never guessed when something is removed.
fn with_registry_advice(failure: Failure, text: &str) -> Failure {
    match failure {
        Failure::Usage { message, .. } if parse_reference(text).is_ok() => Failure::usage_advised(
            message,
            format!("to remove it from its registry: lrops image rm docker://{text}"),
        ),
        other => other,
    }
}

fn from_store(store: &Store, text: &str, root: &Descriptor) -> Result<(), Failure> {
    let failed = |source| Failure::work(format!("failed to remove {text}"), source);
    let names: Vec<String> = match text.parse::<Digest>() {
        // By its digest an image goes under all its names.
        Ok(digest) => {
            let tags = store.layout().tags().map_err(failed)?;
            tags.into_iter()
                .filter(|(_, root)| root.digest == digest)
                .map(|(name, _)| name)
                .collect()
        }
        Err(_) => text
            .parse::<Reference>()
            .map(|name| image::store_name(&name).to_string())
            .into_iter()
            .collect(),
    };
    for name in &names {
        store.layout().untag(name).map_err(failed)?;
        say(&format!("removed {name} ({}) from the store", root.digest));
    }
    if names.is_empty() {
        say(&format!("{text} has no name; `lrops cache prune` frees it"));
    }
    Ok(())
}

/// Removes images from a registry.
pub(super) struct Removal<'a> {
    pub(super) registry: &'a Registry,
    pub(super) cancel: &'a CancelToken,
    /// Whether further tags may go with an image.
    pub(super) force: bool,
}

impl Removal<'_> {
    /// Removes what a reference names: a tag where the registry can remove one; else the manifest, when no other tag
    /// names it.
    pub(super) fn remove(&self, reference: &Reference) -> Result<(), Failure> {
        let name = match reference.digest() {
            Some(_) => reference.clone(),
            None => image::store_name(reference),
        };
        let digest = self
            .registry
            .digest_of(&name, self.cancel)
            .map_err(Failure::registry)?;
        let Some(digest) = digest else {
            let message = format!("there is no {} in its registry", reference.familiar());
            return Err(Failure::because(message));
        };
        if name.digest().is_none() {
            match self.registry.delete(&name, self.cancel) {
                Ok(()) => return self.removed_tag(&name, digest),
                Err(error) if error.cannot_delete() => {}
                Err(error) => return Err(Failure::registry(error)),
            }
        }
        self.remove_manifest(&name, digest)
    }

    /// Makes sure that the tag is gone: a registry may answer well and do nothing.
    fn removed_tag(&self, name: &Reference, digest: Digest) -> Result<(), Failure> {
        let there = self
            .registry
            .digest_of(name, self.cancel)
            .map_err(Failure::registry)?;
        if there == Some(digest) {
            let message = format!(
                "the registry said that it removed {}, and still has it",
                name.familiar()
            );
            return Err(Failure::because(message));
        }
        say(&format!(
            "removed {} ({digest}) from its registry",
            name.familiar()
        ));
        Ok(())
    }

    fn remove_manifest(&self, name: &Reference, digest: Digest) -> Result<(), Failure> {
        let others = self.other_tags(name, digest)?;
        if !others.is_empty() && !self.force {
            let message = format!(
                "{} can be removed from its registry only together with {}, which name the same image",
                name.familiar(),
                others.join(", ")
            );
            return Err(Failure::Work {
                message,
                source: None,
                advice: Some("say --force to remove them all".to_owned()),
            });
        }
        self.registry
            .delete(&name.with_digest(digest), self.cancel)
            .map_err(Failure::registry)?;
        let with = if others.is_empty() {
            String::new()
        } else {
            format!(", with {}", others.join(", "))
        };
        say(&format!(
            "removed {} ({digest}) from its registry{with}",
            name.familiar()
        ));
        Ok(())
    }

    /// Returns the other tags that name an image.
    fn other_tags(&self, name: &Reference, digest: Digest) -> Result<Vec<String>, Failure> {
        let tags = self.registry.tags(name, self.cancel).map_err(Failure::registry)?;
        let mut others = Vec::new();
        for tag in tags {
            if name.digest().is_none() && name.tag() == Some(&tag) {
                continue;
            }
            let Ok(other) = name.with_tag(&tag) else { continue };
            let named = self
                .registry
                .digest_of(&other, self.cancel)
                .map_err(Failure::registry)?;
            if named == Some(digest) {
                others.push(tag);
            }
        }
        Ok(others)
    }
}
