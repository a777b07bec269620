//! Which tag is released: the one that was named, or the one that a person chooses.

use crate::environment::Environment;
use crate::failure::Failure;
use crate::git::Repository;
use crate::prompt::{self, Choice};
use crate::version::{SemanticVersion, VersionTag};

/// How many tags are offered.
const OFFERED_MAX: usize = 20;

/// Returns the tag that is meant.
///
/// # Errors
/// When there is no such tag, or nobody can be asked.
pub(super) fn find(
    repository: &Repository,
    named: Option<&str>,
    environment: &Environment,
) -> Result<VersionTag, Failure> {
    let mut tags = repository.tags()?;
    if tags.is_empty() {
        return Err(Failure::usage_advised(
            "there is no tag of a version to release",
            "`lrops bump` makes one; `git fetch --tags` brings those of the remote",
        ));
    }
    tags.sort_by(|one, other| {
        let key = |tag: &VersionTag| (tag.version.clone(), tag.name.starts_with('v'));
        key(other).cmp(&key(one))
    });
    match named {
        Some(name) => by_name(&tags, name),
        None => chosen(repository, &tags, environment),
    }
}

/// Returns the tag of a name, or else of the version that the name says: `1.2.3` for `v1.2.3`.
fn by_name(tags: &[VersionTag], name: &str) -> Result<VersionTag, Failure> {
    let same = |tag: &&VersionTag| tag.name == name;
    let version = SemanticVersion::of_git_tag(name);
    let equal = |tag: &&VersionTag| version.as_ref() == Some(&tag.version);
    let found = tags.iter().find(same).or_else(|| tags.iter().find(equal));
    found.cloned().ok_or_else(|| {
        let message = if version.is_some() {
            format!("--tag: there is no tag {name:?}")
        } else {
            format!("--tag: {name:?} is no version such as v1.2.3")
        };
        let advice = format!(
            "the highest is {}; `git fetch --tags` brings those of the remote",
            tags[0].name
        );
        Failure::usage_advised(message, advice)
    })
}

fn chosen(
    repository: &Repository,
    tags: &[VersionTag],
    environment: &Environment,
) -> Result<VersionTag, Failure> {
    if !environment.terminal || !environment.input_terminal {
        return Err(Failure::usage_advised(
            "there is no terminal to ask at which version is released",
            format!("say it: --tag {}", tags[0].name),
        ));
    }
    let offered = &tags[..tags.len().min(OFFERED_MAX)];
    let question = if offered.len() == tags.len() {
        "Which version is released?".to_owned()
    } else {
        format!(
            "Which version is released? These are the highest {OFFERED_MAX} of {}; --tag takes any.",
            tags.len()
        )
    };
    let choice = |tag: &VersionTag| {
        let time = repository.time_of(&tag.commit)?.to_string();
        let day = time.split('T').next().unwrap_or_default();
        let kind = if tag.version.is_pre_release() {
            ", a pre-release"
        } else {
            ""
        };
        Ok::<_, Failure>(Choice {
            word: tag.name.clone(),
            meaning: format!("of {day}{kind}"),
        })
    };
    let choices: Vec<Choice> = offered.iter().map(choice).collect::<Result<_, _>>()?;
    Ok(offered[prompt::choice(&question, &choices)?].clone())
}
