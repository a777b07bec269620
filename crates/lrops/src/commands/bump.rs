//! `lrops bump`: the next version's tag, at HEAD and at the remote, or at neither.

use std::fmt::Write;

use lrops_model::cancel::CancelToken;

use super::{print, say, version};
use crate::arguments::BumpArguments;
use crate::environment::{Environment, quoted};
use crate::failure::Failure;
use crate::git::{Arrival, GitError, NewTag, PushTagError, Repository};
use crate::prompt::{self, Choice};
use crate::report;
use crate::signals;
use crate::version::{History, Kind, SemanticVersion, change_of, highest_release};

/// Tags HEAD with the next version, and pushes the tag.
///
/// # Errors
/// When the state of the repository or the remote does not allow it; nothing has changed then.
pub(super) fn run(arguments: &BumpArguments, environment: &Environment) -> Result<(), Failure> {
    let repository = version::repository(arguments.directory.as_deref(), environment)?;
    let Some(bump) = plan(&repository, arguments, environment)? else {
        return Ok(());
    };
    if arguments.dry_run {
        say(&bump.in_words());
    } else {
        bump.carry_out(&repository)?;
    }
    print(&format!("{}\n", bump.tag))
}

/// What is going to be done.
struct Bump {
    previous: Option<SemanticVersion>,
    next: SemanticVersion,
    tag: String,
    commit: String,
    message: String,
    /// Where the tag is pushed to.
    remote: Option<String>,
}

/// Finds out what is to be done; nothing, when there was no commit since the last release and nobody asked for more.
fn plan(
    repository: &Repository,
    arguments: &BumpArguments,
    environment: &Environment,
) -> Result<Option<Bump>, Failure> {
    let commit = repository.head_commit()?;
    let tags = repository.tags()?;
    let release_here = highest_release(tags.iter().filter(|tag| tag.commit == commit));
    if let Some(tag) = release_here {
        if arguments.ci {
            say(&format!("there is no commit since {}: nothing to do", tag.name));
            return Ok(None);
        }
        return Err(refused(
            format!("HEAD is tagged already: {}", tag.name),
            "a version is one commit's; the next one comes after the next commit",
        ));
    }
    allowed(repository, arguments)?;
    // A line of commits goes on from its own release; one that has none, from the highest.
    let nearest = repository.nearest_release()?.map(|nearest| nearest.tag.version);
    let highest = highest_release(&tags).map(|tag| tag.version.clone());
    let previous = nearest.or_else(|| highest.clone());
    let base = previous.clone().unwrap_or(SemanticVersion::ZERO);
    let next = match (arguments.asked_kind(), arguments.ci) {
        (Some(kind), _) => base.next(kind),
        (None, true) => by_commits(repository, &base)?,
        (None, false) => base.next(asked(previous.as_ref(), &base, environment)?),
    };
    let next = next.ok_or_else(|| Failure::because(format!("there is no version after {base}")))?;
    if let Some(taken) = tags.iter().find(|tag| tag.version == next) {
        return Err(refused(
            format!(
                "{next} comes after {base}, and {} is there already, at another commit",
                taken.name
            ),
            "merge what it names, or raise another number",
        ));
    }
    if let Some(highest) = highest.filter(|highest| *highest > next) {
        say(&report::notice(&format!(
            "there is a higher release, {highest}: an image of {next} is not called latest"
        )));
    }
    Ok(Some(Bump {
        tag: format!("v{next}"),
        message: arguments
            .message
            .clone()
            .unwrap_or_else(|| format!("Release {next}")),
        remote: arguments.remote.name().map(str::to_owned),
        previous,
        next,
        commit,
    }))
}

fn refused(message: impl Into<String>, advice: &str) -> Failure {
    Failure::Work {
        message: message.into(),
        source: None,
        advice: Some(advice.to_owned()),
    }
}

/// Refuses what would give a wrong version, or one that is not what was tested.
fn allowed(repository: &Repository, arguments: &BumpArguments) -> Result<(), Failure> {
    if repository.history()? == History::Cut {
        return Err(refused(
            "this is a shallow clone, which may lack the tags that the next version comes after",
            "git fetch --unshallow --tags",
        ));
    }
    if !arguments.allow_dirty && repository.is_dirty()? {
        return Err(refused(
            "the work tree differs from the commit that would be tagged",
            "commit the changes, or say --allow-dirty to tag the commit without them",
        ));
    }
    if let Some(remote) = arguments.remote.name()
        && !repository.has_remote(remote)?
    {
        return Err(Failure::usage_advised(
            format!("there is no remote {remote:?} to push the tag to"),
            "name one with --remote, or say --no-push to tag here only",
        ));
    }
    Ok(())
}

/// Returns the version that follows from the messages of the commits since the last release.
fn by_commits(repository: &Repository, base: &SemanticVersion) -> Result<Option<SemanticVersion>, Failure> {
    // A pre-release is no release: what came before it is not released yet either.
    let since = repository.nearest_release()?.map(|nearest| nearest.tag);
    let messages = repository.messages_since(since.as_ref())?;
    let change = change_of(messages.iter().map(String::as_str));
    Ok(change.and_then(|change| base.after(change)))
}

/// Asks which kind is wished.
fn asked(
    previous: Option<&SemanticVersion>,
    base: &SemanticVersion,
    environment: &Environment,
) -> Result<Kind, Failure> {
    if !environment.terminal || !environment.input_terminal {
        return Err(Failure::usage_advised(
            "there is no terminal to ask at which number of the version to raise",
            "say it: lrops bump patch, minor or major; or --ci to let the commits decide",
        ));
    }
    let question = match previous {
        Some(previous) => format!("Which version comes after {previous}?"),
        None => "Which version is the first?".to_owned(),
    };
    let kinds = [
        (Kind::Patch, "patch"),
        (Kind::Minor, "minor"),
        (Kind::Major, "major"),
    ];
    let choices = kinds.map(|(kind, word)| Choice {
        word: word.to_owned(),
        meaning: base.next(kind).map(|next| next.to_string()).unwrap_or_default(),
    });
    Ok(kinds[prompt::choice(&question, &choices)?].0)
}

impl Bump {
    /// Returns what would be done, as the commands that a person would type.
    fn in_words(&self) -> String {
        let Self {
            tag, commit, message, ..
        } = self;
        let mut text = format!(
            "{}; would be done:\n  git tag --annotate --message={} {tag} {commit}",
            self.step(),
            quoted(message)
        );
        if let Some(remote) = &self.remote {
            let _ = write!(text, "\n  git push {} refs/tags/{tag}", quoted(remote));
        }
        text
    }

    fn step(&self) -> String {
        match &self.previous {
            Some(previous) => format!("{} comes after {previous}", self.next),
            None => format!("{} is the first version", self.next),
        }
    }

    /// Makes the tag and pushes it.
    fn carry_out(&self, repository: &Repository) -> Result<(), Failure> {
        let cancel = CancelToken::new();
        // From here on Ctrl-C must not leave a tag behind.
        signals::watch(&cancel, say)?;
        let tag = repository.create_tag(&self.tag, &self.commit, &self.message)?;
        let place = match &self.remote {
            Some(remote) => {
                let pushed = repository.push_tag(remote, &tag, &cancel);
                pushed.map_err(|error| undone(repository, &tag, remote, error))?;
                format!("and {remote}")
            }
            None => "only".to_owned(),
        };
        say(&format!("{}: tagged, here {place}", self.step()));
        Ok(())
    }
}

/// Removes a tag that could not be pushed: it is at both places or at neither.
fn undone(repository: &Repository, tag: &NewTag, remote: &str, error: PushTagError) -> Failure {
    let name = &tag.name;
    let outcome = match repository.remove_tag(tag) {
        Ok(()) => format!("the tag {name} is not at {remote}, and was removed here again"),
        Err(_) => format!("the tag {name} is not at {remote}, and could not be removed here again"),
    };
    let advice = match error.arrival {
        Arrival::Absent => None,
        Arrival::Another => Some(format!(
            "{remote} has another tag of that name: `git fetch --tags {remote}`, then bump again"
        )),
        Arrival::Unknown => Some(format!(
            "{remote} does not answer; `git ls-remote --tags {remote} {name}` tells later whether it arrived there"
        )),
    };
    if let GitError::Cancelled(_) = error.source {
        say(&report::notice(&outcome));
        return Failure::Cancelled;
    }
    Failure::work_advised(outcome, error.source, advice)
}
