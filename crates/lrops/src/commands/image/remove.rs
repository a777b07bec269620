//! `lrops image rm`: takes a name away, here or in a registry.

use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;
use lrops_model::reference::Reference;
use lrops_remote::registry::Registry;
use lrops_store::store::Store;

use super::repository::read_tags;
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
    signals::watch(&cancel, say)?;
    let configuration = configuration_near(&arguments.places, &environment.directory, environment)?;
    for text in &arguments.images {
        cancel.check()?;
        if let Some(reference) = registry_reference(text)? {
            let registry = registries::open(&configuration, &arguments.registries, environment)?;
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
        let others = self.tags_that_need(name, digest)?;
        let (same, above): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, root)| *root == digest);
        let names = |tags: &[(String, Digest)]| {
            let names: Vec<&str> = tags.iter().map(|(tag, _)| tag.as_str()).collect();
            names.join(", ")
        };
        if !above.is_empty() {
            return Err(Failure::Work {
                message: format!(
                    "{} cannot be removed from its registry: the index of {} needs its manifest",
                    name.familiar(),
                    names(&above)
                ),
                source: None,
                advice: Some("remove the index first, or keep the image".to_owned()),
            });
        }
        if !same.is_empty() && !self.force {
            let message = format!(
                "{} can be removed from its registry only together with {}, which name the same image",
                name.familiar(),
                names(&same)
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
        let with = if same.is_empty() {
            String::new()
        } else {
            format!(", with {}", names(&same))
        };
        say(&format!(
            "removed {} ({digest}) from its registry{with}",
            name.familiar()
        ));
        Ok(())
    }

    /// Returns the other tags whose image is this one or names it, each with its image's digest.
    fn tags_that_need(&self, name: &Reference, digest: Digest) -> Result<Vec<(String, Digest)>, Failure> {
        let own = name.digest().is_none().then(|| name.tag()).flatten();
        let tags = read_tags(self.registry, name, self.cancel)?.into_iter();
        let others = tags.filter(|tag| own != Some(tag.name.as_str()) && tag.needs(digest));
        Ok(others.map(|tag| (tag.name, tag.root)).collect())
    }
}
