//! Pushing one tag: it is at the remote, or the error says what is known of it there.

use std::time::Duration;

use lrops_model::cancel::CancelToken;

use super::error::GitError;
use super::repository::{NewTag, Repository};

/// How long a remote may take to say whether a tag arrived there, after a push of it failed.
const ASK_LIMIT: Duration = Duration::from_secs(15);

/// Whether a tag is at the remote after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// No tag of that name is there.
    Absent,
    /// Another tag of that name is there.
    Another,
    /// It could not be asked.
    Unknown,
}

/// Why a tag was not pushed.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub(crate) struct PushTagError {
    /// The cause.
    pub(crate) source: GitError,
    /// What the remote has.
    pub(crate) arrival: Arrival,
}

impl Repository {
    /// Returns whether there is a remote of that name.
    ///
    /// # Errors
    /// When git cannot be started.
    pub(crate) fn has_remote(&self, remote: &str) -> Result<bool, GitError> {
        let output = self.git.run(&["remote", "get-url", "--", remote])?;
        Ok(output.status.success())
    }

    /// Pushes one tag, and nothing else whatever the configuration says. When the answer is lost, the remote is asked
    /// whether it has the tag.
    ///
    /// # Errors
    /// When the remote refuses or cannot be reached, and does not have the tag.
    pub(crate) fn push_tag(
        &self,
        remote: &str,
        tag: &NewTag,
        cancel: &CancelToken,
    ) -> Result<(), PushTagError> {
        let doing = format!("push the tag {} to {remote}", tag.name);
        let reference = format!("refs/tags/{0}:refs/tags/{0}", tag.name);
        let arguments = [
            "push",
            "--no-follow-tags",
            "--recurse-submodules=no",
            "--",
            remote,
            &reference,
        ];
        let Err(source) = self.git.wait_for(&doing, &arguments, None, cancel) else {
            return Ok(());
        };
        let arrival = match self.tag_at(remote, &tag.name) {
            Ok(Some(object)) if object == tag.object => return Ok(()),
            Ok(Some(_)) => Arrival::Another,
            Ok(None) => Arrival::Absent,
            Err(_) => Arrival::Unknown,
        };
        Err(PushTagError { source, arrival })
    }

    /// Returns the tag object that a remote has under a name.
    fn tag_at(&self, remote: &str, name: &str) -> Result<Option<String>, GitError> {
        let reference = format!("refs/tags/{name}");
        let arguments = ["ls-remote", "--", remote, &reference];
        let doing = format!("ask {remote} for the tag {name}");
        // Whoever stopped the push wants to know as well.
        let text = self
            .git
            .wait_for(&doing, &arguments, Some(ASK_LIMIT), &CancelToken::new())?;
        let found = text.lines().find_map(|line| {
            let (object, found) = line.split_once('\t')?;
            (found == reference).then(|| object.to_owned())
        });
        Ok(found)
    }
}
