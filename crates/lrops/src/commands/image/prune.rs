//! `lrops image prune`: removes tags that are not kept, and what only they need.
//!
//! A manifest that a kept index names has no tag of its own; registries that clean up by tags delete it and break the
//! index. Here a manifest goes only when no kept tag needs it, and an index goes before what it names.

use std::collections::BTreeSet;

use lrops_dockerfile::patterns::PathPatterns;
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::reference::Reference;
use lrops_remote::registry::Registry;
use serde::Serialize;

use super::repository::{Document, Tag, read_tags};
use crate::arguments::{Format, PruneArguments};
use crate::commands::{print, print_json, say};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::image::registry_name;
use crate::request::configuration_near;
use crate::table::{Align, Table};
use crate::{amounts, registries, signals};

/// Removes what is not kept, or says what would be removed.
///
/// # Errors
/// When nothing says what to keep, or the registry refuses; what was removed by then is gone.
pub(super) fn prune(arguments: &PruneArguments, environment: &Environment) -> Result<(), Failure> {
    if arguments.keep.is_empty() && arguments.keep_last.is_none() {
        return Err(Failure::usage_advised(
            "nothing says what to keep, so all would go",
            "say it: --keep PATTERN, --keep-last NUMBER, or both",
        ));
    }
    let configuration = configuration_near(&arguments.places, &environment.directory, environment)?;
    let registry = registries::open(&configuration, &arguments.registries, environment)?;
    let cancel = CancelToken::new();
    signals::watch(&cancel, say)?;
    let repository = repository(&arguments.repository)?;
    let tags = read_tags(&registry, &repository, &cancel)?;
    let mut plan = Plan::make(tags, arguments)?;
    plan.add_referrers(&registry, &repository, &cancel)?;
    let shown = plan.shown();
    match arguments.format {
        Format::Json => print_json(&shown)?,
        Format::Text => print(&plan.table())?,
    }
    if !arguments.yes {
        say(&format!(
            "nothing was removed; with --yes {} and {} would go",
            amounts::count(plan.removed().count(), "tag"),
            amounts::count(plan.doomed.len(), "manifest"),
        ));
        return Ok(());
    }
    plan.carry_out(&registry, &repository, &cancel)
}

fn repository(text: &str) -> Result<Reference, Failure> {
    let reference = registry_name(text)?;
    if reference.tag().is_some() || reference.digest().is_some() {
        return Err(Failure::usage_advised(
            format!("{text} is an image; a repository is wanted"),
            format!("to remove one image: lrops image rm docker://{text}"),
        ));
    }
    Ok(reference)
}

/// What stays and what goes.
struct Plan {
    tags: Vec<(Tag, Fate)>,
    /// Manifests that nothing kept needs, an index before what it names, whichever tag it belongs to.
    doomed: Vec<Digest>,
}

/// What happens to a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fate", content = "reason", rename_all = "snake_case")]
enum Fate {
    /// It stays, for this reason.
    Kept(String),
    /// It goes.
    Removed,
}

impl Plan {
    fn make(mut tags: Vec<Tag>, arguments: &PruneArguments) -> Result<Self, Failure> {
        let patterns = arguments.keep.iter().map(|pattern| {
            PathPatterns::new([pattern])
                .map(|compiled| (pattern, compiled))
                .map_err(|error| Failure::usage(format!("--keep: {error}")))
        });
        let patterns: Vec<_> = patterns.collect::<Result<_, _>>()?;
        // The newest first; of the same age, the higher name.
        tags.sort_by(|one, other| (&other.created, &other.name).cmp(&(&one.created, &one.name)));
        let mut left = arguments.keep_last.unwrap_or(0);
        let mut fates: Vec<(Tag, Fate)> = Vec::new();
        for tag in tags {
            let matched = patterns.iter().find(|(_, pattern)| pattern.matches(&tag.name));
            let fate = match matched {
                Some((pattern, _)) => Fate::Kept(format!("matches {pattern}")),
                None if is_companion(&tag.name) => Fate::Removed,
                None if left > 0 => {
                    left -= 1;
                    Fate::Kept("one of the newest".to_owned())
                }
                None => Fate::Removed,
            };
            fates.push((tag, fate));
        }
        keep_companions(&mut fates);
        let needed: BTreeSet<Digest> = fates
            .iter()
            .filter(|(_, fate)| matches!(fate, Fate::Kept(_)))
            .flat_map(|(tag, _)| tag.documents.iter().map(|document| document.digest))
            .collect();
        let all = fates.iter().flat_map(|(tag, _)| tag.documents.clone());
        let mut going: Vec<Document> = all
            .filter(|document| !needed.contains(&document.digest))
            .collect();
        going.sort_by_key(|document| (std::cmp::Reverse(document.height), document.digest));
        going.dedup();
        let doomed = going.into_iter().map(|document| document.digest).collect();
        Ok(Self { tags: fates, doomed })
    }

    /// Adds what refers to manifests that go, such as signatures without a tag.
    fn add_referrers(
        &mut self,
        registry: &Registry,
        repository: &Reference,
        cancel: &CancelToken,
    ) -> Result<(), Failure> {
        let mut subjects = self.doomed.clone();
        while let Some(subject) = subjects.pop() {
            let referrers = registry.referrers(repository, subject, cancel);
            for referrer in referrers.map_err(Failure::registry)? {
                let is_kept = self
                    .tags
                    .iter()
                    .any(|(tag, fate)| *fate != Fate::Removed && tag.needs(referrer.digest));
                if !is_kept && !self.doomed.contains(&referrer.digest) {
                    self.doomed.push(referrer.digest);
                    // A signature may itself be signed.
                    subjects.push(referrer.digest);
                }
            }
        }
        Ok(())
    }

    /// Makes sure that the repository is as it was read: an image that was pushed meanwhile may need what would go.
    fn check_unchanged(
        &self,
        registry: &Registry,
        repository: &Reference,
        cancel: &CancelToken,
    ) -> Result<(), Failure> {
        for name in registry.tags(repository, cancel).map_err(Failure::registry)? {
            let Ok(reference) = repository.with_tag(&name) else {
                continue;
            };
            let named = registry
                .digest_of(&reference, cancel)
                .map_err(Failure::registry)?;
            let known = self.tags.iter().find(|(tag, _)| tag.name == name);
            if named.is_some() && named != known.map(|(tag, _)| tag.root) {
                return Err(Failure::because(format!(
                    "{} was pushed while the repository was read; nothing was removed, try again",
                    reference.familiar()
                )));
            }
        }
        Ok(())
    }

    fn removed(&self) -> impl Iterator<Item = &Tag> {
        let removed = self.tags.iter().filter(|(_, fate)| *fate == Fate::Removed);
        removed.map(|(tag, _)| tag)
    }

    fn shown(&self) -> Shown<'_> {
        let tags = self.tags.iter().map(|(tag, fate)| ShownTag {
            tag: &tag.name,
            digest: tag.root,
            created: &tag.created,
            fate: fate.clone(),
        });
        Shown {
            tags: tags.collect(),
            manifests_removed: &self.doomed,
        }
    }

    fn table(&self) -> String {
        let heads = [
            ("tag", Align::Left),
            ("image", Align::Left),
            ("created", Align::Left),
            ("", Align::Left),
        ];
        let mut table = Table::new(&heads);
        for (tag, fate) in &self.tags {
            let fate = match fate {
                Fate::Kept(reason) => format!("kept: {reason}"),
                Fate::Removed => "goes".to_owned(),
            };
            table.row(vec![
                tag.name.clone(),
                tag.root.to_string(),
                tag.created.clone(),
                fate,
            ]);
        }
        table.to_string()
    }

    /// Removes tags first, then manifests that nothing needs.
    fn carry_out(
        &self,
        registry: &Registry,
        repository: &Reference,
        cancel: &CancelToken,
    ) -> Result<(), Failure> {
        self.check_unchanged(registry, repository, cancel)?;
        let mut stuck = Vec::new();
        for tag in self.removed() {
            cancel.check()?;
            let Ok(name) = repository.with_tag(&tag.name) else {
                continue;
            };
            match registry.delete(&name, cancel) {
                Ok(()) => say(&format!("removed {}", name.familiar())),
                // Somebody else was faster.
                Err(error) if error.problem.status() == Some(404) && is_gone(registry, &name, cancel)? => {}
                // It goes with its manifest, when nothing kept needs that.
                Err(error) if error.cannot_delete() && self.doomed.contains(&tag.root) => {}
                Err(error) if error.cannot_delete() => stuck.push(tag.name.clone()),
                Err(error) => return Err(Failure::registry(error)),
            }
        }
        for digest in &self.doomed {
            cancel.check()?;
            let name = repository.with_digest(*digest);
            match registry.delete(&name, cancel) {
                Ok(()) => say(&format!("removed {}", name.familiar())),
                // Some registries remove a manifest with its last tag, or an index's children with it.
                Err(error) if error.problem.status() == Some(404) => {}
                Err(error) => return Err(Failure::registry(error)),
            }
        }
        if stuck.is_empty() {
            return Ok(());
        }
        Err(Failure::because(format!(
            "{} stay: this registry removes no tag alone, and kept tags name the same images",
            stuck.join(", ")
        )))
    }
}

fn is_gone(registry: &Registry, name: &Reference, cancel: &CancelToken) -> Result<bool, Failure> {
    let there = registry.digest_of(name, cancel).map_err(Failure::registry)?;
    Ok(there.is_none())
}

/// Returns whether a tag accompanies an image: `sha256-…`, perhaps with `.sig` or the like behind it, as the referrers
/// tag schema and signing tools write it.
fn is_companion(tag: &str) -> bool {
    companion_of(tag).is_some()
}

fn companion_of(tag: &str) -> Option<Digest> {
    let hex = tag.strip_prefix("sha256-")?;
    Digest::from_hex(hex.split('.').next()?).ok()
}

/// What accompanies a kept image stays with it, and what accompanies that, too.
fn keep_companions(fates: &mut [(Tag, Fate)]) {
    loop {
        let kept: BTreeSet<Digest> = fates
            .iter()
            .filter(|(_, fate)| matches!(fate, Fate::Kept(_)))
            .flat_map(|(tag, _)| tag.documents.iter().map(|document| document.digest))
            .collect();
        let next = fates.iter_mut().find(|(tag, fate)| {
            *fate == Fate::Removed && companion_of(&tag.name).is_some_and(|digest| kept.contains(&digest))
        });
        match next {
            Some((_, fate)) => *fate = Fate::Kept("belongs to a kept image".to_owned()),
            None => return,
        }
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    tags: Vec<ShownTag<'a>>,
    manifests_removed: &'a [Digest],
}

#[derive(Serialize)]
struct ShownTag<'a> {
    tag: &'a str,
    digest: Digest,
    created: &'a str,
    #[serde(flatten)]
    fate: Fate,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str, created: &str, documents: &[&str]) -> Tag {
        let height = |index: usize| usize::from(index == 0 && documents.len() > 1);
        let all = documents.iter().enumerate().map(|(index, name)| Document {
            digest: Digest::of(name),
            height: height(index),
        });
        Tag {
            name: name.to_owned(),
            root: Digest::of(documents[0]),
            documents: all.collect(),
            created: created.to_owned(),
        }
    }

    fn plan(tags: Vec<Tag>, keep: &[&str], keep_last: Option<usize>) -> Plan {
        let arguments = PruneArguments {
            repository: "r".to_owned(),
            keep: keep.iter().map(|text| (*text).to_owned()).collect(),
            keep_last,
            yes: false,
            format: Format::Text,
            registries: crate::arguments::RegistryArguments::default(),
            places: crate::arguments::PlaceArguments::default(),
        };
        Plan::make(tags, &arguments).unwrap()
    }

    fn removed(plan: &Plan) -> Vec<&str> {
        plan.removed().map(|tag| tag.name.as_str()).collect()
    }

    #[test]
    fn a_child_that_a_kept_index_needs_stays() {
        let tags = vec![
            tag("old", "2020", &["index-1", "amd64", "arm64-1"]),
            tag("v2", "2021", &["index-2", "amd64", "arm64-2"]),
        ];
        let plan = plan(tags, &["v*"], None);
        assert_eq!(removed(&plan), ["old"]);
        assert_eq!(plan.doomed, [Digest::of("index-1"), Digest::of("arm64-1")]);
    }

    #[test]
    fn every_index_goes_before_the_manifests_that_it_shares() {
        let tags = vec![
            tag("a", "2020", &["index-a", "amd64"]),
            tag("amd64-only", "2023", &["amd64"]),
            tag("b", "2021", &["index-b", "amd64"]),
            tag("kept", "2022", &["other"]),
        ];
        let plan = plan(tags, &["kept"], None);
        let (indexes, manifests) = plan.doomed.split_at(2);
        assert!(indexes.contains(&Digest::of("index-a")) && indexes.contains(&Digest::of("index-b")));
        assert_eq!(manifests, [Digest::of("amd64")]);
    }

    #[test]
    fn an_image_with_a_kept_tag_stays_when_another_of_its_tags_goes() {
        let tags = vec![tag("latest", "2021", &["index"]), tag("dev", "2021", &["index"])];
        let plan = plan(tags, &["latest"], None);
        assert_eq!(removed(&plan), ["dev"]);
        assert_eq!(plan.doomed, []);
    }

    #[test]
    fn a_manifest_under_a_tag_of_its_own_and_in_a_kept_index_stays() {
        let tags = vec![
            tag("latest", "2021", &["index", "amd64"]),
            tag("amd64-only", "2020", &["amd64"]),
        ];
        let plan = plan(tags, &["latest"], None);
        assert_eq!(removed(&plan), ["amd64-only"]);
        assert_eq!(plan.doomed, []);
    }

    #[test]
    fn the_newest_stay_beside_those_of_a_pattern() {
        let tags = vec![
            tag("a", "2020-01-01T00:00:00Z", &["1"]),
            tag("b", "2022-01-01T00:00:00Z", &["2"]),
            tag("c", "2021-01-01T00:00:00Z", &["3"]),
            tag("v1.0.0", "2019-01-01T00:00:00Z", &["4"]),
        ];
        assert_eq!(removed(&plan(tags, &["v*"], Some(2))), ["a"]);
    }

    #[test]
    fn a_signature_stays_and_goes_with_its_image() {
        let signature = |of: &str| format!("sha256-{}.sig", Digest::of(of).hex());
        let tags = || {
            vec![
                tag("v1", "2020", &["1"]),
                tag("old", "2019", &["2"]),
                tag(&signature("1"), "2020", &["signature-1"]),
                tag(&signature("2"), "2023", &["signature-2"]),
            ]
        };
        assert_eq!(removed(&plan(tags(), &["v*"], None)), [&signature("2"), "old"]);
        // A signature is none of the newest images.
        assert_eq!(removed(&plan(tags(), &[], Some(1))), [&signature("2"), "old"]);
    }
}
