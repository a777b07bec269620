//! The image's names: those that are written out, and those that a repository's images have by git's version.
//!
//! `latest` comes last, and so moves last: whoever pulls it gets what its version names already.

use lrops_model::reference::Reference;

use super::state::State;
use crate::arguments::BuildArguments;
use crate::configuration::{Configuration, RepositoryWord};
use crate::failure::Failure;
use crate::git::GitError;
use crate::version::{Latest, image_tags, latest_notice};

const LATEST: &str = "latest";

/// Finds the names. Any that is typed replaces those of `lrops.toml`.
pub(super) fn find(
    arguments: &BuildArguments,
    configuration: &Configuration,
    from_outputs: &[Reference],
    state: &State<'_>,
    notices: &mut Vec<String>,
) -> Result<Vec<Reference>, Failure> {
    let repositories = repositories(arguments, configuration, from_outputs)?;
    let latest = arguments.latest.wish();
    let mut names = written(arguments, configuration, from_outputs)?;
    if let Some(first) = repositories.first() {
        for tag in tags(first, state, latest, notices)? {
            for repository in &repositories {
                let name = repository.with_tag(&tag);
                names.push(name.map_err(|error| Failure::usage(format!("--repository: {error}")))?);
            }
        }
    } else if latest == Latest::Always {
        return Err(Failure::usage_advised(
            "--latest: no name of the image comes from git's version",
            "name the repository with --repository, or the whole name: --tag registry.example/team/app:latest",
        ));
    }
    if latest == Latest::Never
        && let Some(name) = names.iter().find(|name| name.tag() == Some(LATEST))
    {
        return Err(Failure::usage_advised(
            format!("--no-latest: {} is called latest", name.familiar()),
            "give its name another tag, or leave --no-latest out",
        ));
    }
    let mut kept: Vec<Reference> = Vec::new();
    for name in names {
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    kept.sort_by_key(|name| name.tag() == Some(LATEST));
    Ok(kept)
}

/// Returns the names that are written out: `--tag` and outputs, else `tags` of `lrops.toml`.
pub(super) fn written(
    arguments: &BuildArguments,
    configuration: &Configuration,
    from_outputs: &[Reference],
) -> Result<Vec<Reference>, Failure> {
    let mut names = from_outputs.to_vec();
    for text in &arguments.tag {
        let reference: Reference = super::flag("--tag", text.parse())?;
        if reference.digest().is_some() {
            return Err(Failure::usage(format!(
                "--tag: {text:?} has a digest; a digest cannot be chosen"
            )));
        }
        names.push(reference);
    }
    if names.is_empty() && arguments.repository.is_empty() {
        names.clone_from(&configuration.sections.build.tags);
    }
    let whole = |name: Reference| {
        let whole = name.tag_or_latest().and_then(|tag| name.with_tag(tag).ok());
        whole.unwrap_or(name)
    };
    Ok(names.into_iter().map(whole).collect())
}

/// Returns the repositories: `--repository`, else `repositories` of `lrops.toml` unless a name was typed.
fn repositories(
    arguments: &BuildArguments,
    configuration: &Configuration,
    from_outputs: &[Reference],
) -> Result<Vec<Reference>, Failure> {
    let typed = arguments.repository.iter();
    let typed: Vec<RepositoryWord> = typed
        .map(|text| super::flag("--repository", text.parse()))
        .collect::<Result<_, _>>()?;
    let is_named = !typed.is_empty() || !arguments.tag.is_empty() || !from_outputs.is_empty();
    let words = if is_named {
        typed
    } else {
        configuration.sections.build.repositories.clone()
    };
    Ok(words.into_iter().map(|word| word.0).collect())
}

/// Returns the tags that the project's state gives.
fn tags(
    repository: &Reference,
    state: &State<'_>,
    latest: Latest,
    notices: &mut Vec<String>,
) -> Result<Vec<String>, Failure> {
    let version = match state.version() {
        Ok(version) => version,
        Err(error @ (GitError::NoRepository(_) | GitError::NoCommit(_))) => {
            return Err(Failure::usage_advised(
                format!(
                    "the image in {} is called by git's version, but {error}",
                    repository.familiar()
                ),
                "name it yourself with --tag, or build in a git checkout",
            ));
        }
        Err(error) => return Err(error.into()),
    };
    notices.extend(latest_notice(version, latest));
    if latest == Latest::Always && !version.is_release() {
        notices.push(format!(
            "--latest: {} is no release, and only releases are called latest",
            version.name
        ));
    }
    Ok(image_tags(version, latest))
}
