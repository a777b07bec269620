//! Trees in places of their own: a tag's, and what an address means.
//!
//! A tag's is a clone that borrows the repository's objects: the repository and its work tree are only read, so that nothing has
//! to be undone there, whatever happens. A linked work tree would leave a trace in the repository; an archive lacks what
//! `export-ignore` names, and the `.git` that contexts may want.

use std::path::{Path, PathBuf};

use super::address::GitAddress;
use super::error::GitError;
use super::program::Git;
use super::repository::Repository;
use crate::environment::Environment;

impl Repository {
    /// Returns where its directory is within the work tree; nothing at the top, and in a bare repository.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) fn prefix(&self) -> Result<PathBuf, GitError> {
        let prefix = self
            .git
            .ask("find the top of the work tree", &["rev-parse", "--show-prefix"])?;
        Ok(PathBuf::from(prefix.trim_end_matches('\n')))
    }

    /// Checks a commit out into an empty directory, with its submodules, as a fresh clone has it.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) fn check_out(&self, commit: &str, directory: &Path) -> Result<(), GitError> {
        let doing = "copy the repository";
        let own = self.git.ask(doing, &["rev-parse", "--git-common-dir"])?;
        let own = self.git.path().join(own.trim_end_matches('\n'));
        let (own, there) = (own.display().to_string(), directory.display().to_string());
        let clone = [
            "clone",
            "--quiet",
            "--shared",
            "--no-checkout",
            "--template=",
            "--origin=origin",
            "--config=core.hooksPath=/dev/null",
            "--",
            &own,
            &there,
        ];
        self.git.ask(doing, &clone)?;
        let copy = self.git.elsewhere(directory);
        // Submodules and large files are looked for where a fresh clone would look.
        if let Some(address) = self.origin()? {
            copy.ask(doing, &["remote", "set-url", "origin", "--", &address])?;
        }
        let checkout = ["checkout", "--quiet", "--force", "--detach", commit];
        copy.ask(&format!("check out {commit}"), &checkout)?;
        if directory.join(".gitmodules").exists() {
            let borrowing = copy
                .with_setting("submodule.alternateLocation=superproject")
                .with_setting("submodule.alternateErrorStrategy=info");
            let update = ["submodule", "--quiet", "update", "--init", "--recursive"];
            borrowing.ask("check out the submodules", &update)?;
        }
        Ok(())
    }

    /// Returns the address of the remote `origin`, wherever it is asked for from.
    fn origin(&self) -> Result<Option<String>, GitError> {
        let output = self.git.run(&["config", "--get", "remote.origin.url"])?;
        let address = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        if !address.starts_with('.') {
            return Ok(output.status.success().then_some(address));
        }
        // A path from the top of the work tree.
        let output = self.git.run(&["rev-parse", "--show-toplevel"])?;
        let top = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        let whole = Path::new(&top).join(address).display().to_string();
        Ok(output.status.success().then_some(whole))
    }
}

/// Brings what an address means into an empty directory, and returns the directory with the files.
///
/// The repository lies beside the files and above them: git finds it from there, and no context has it.
///
/// # Errors
/// When git or the remote fails, or has no such branch, tag or commit.
pub(crate) fn bring(
    address: &GitAddress,
    directory: &Path,
    environment: &Environment,
) -> Result<PathBuf, GitError> {
    let git = Git::at(directory, environment).with_setting("core.hooksPath=/dev/null");
    let doing = format!("bring {}", address.remote);
    git.ask(&doing, &["init", "--quiet", "--template="])?;
    git.ask(&doing, &["remote", "add", "origin", &address.remote])?;
    let files = directory.join("files");
    std::fs::create_dir(&files).map_err(GitError::Start)?;
    git.ask(&doing, &["config", "core.worktree", "../files"])?;
    let commit = fetch(&git, &doing, address.reference.as_deref())?;
    let copy = git.elsewhere(&files);
    let checkout = ["checkout", "--quiet", "--force", "--detach", &commit];
    copy.ask(&format!("check out {commit}"), &checkout)?;
    if files.join(".gitmodules").exists() {
        let update = [
            "submodule",
            "--quiet",
            "update",
            "--init",
            "--recursive",
            "--depth=1",
        ];
        copy.ask("check out the submodules", &update)?;
    }
    Ok(files)
}

/// Fetches a tag, which comes under its name since it says which version it is; a branch; or a commit. Of the history
/// no more comes than has to. Returns what is checked out.
fn fetch(git: &Git, doing: &str, reference: Option<&str>) -> Result<String, GitError> {
    let there = git.ask(doing, &["ls-remote", "--quiet", "origin"])?;
    let has = |name: &str| {
        let mut names = there.lines().filter_map(|line| line.split_once('\t'));
        names.any(|(_, other)| other == name)
    };
    let shallow = |what: &str| {
        git.ask(
            doing,
            &["fetch", "--quiet", "--depth=1", "--no-tags", "origin", what],
        )
    };
    let wanted = reference.unwrap_or("HEAD");
    let tag = format!("refs/tags/{wanted}");
    if has(&tag) {
        shallow(&format!("{tag}:{tag}"))?;
        return Ok(tag);
    }
    let branch = format!("refs/heads/{wanted}");
    let named = [wanted, &branch].into_iter().find(|name| has(name));
    if shallow(named.unwrap_or(wanted)).is_ok() {
        return Ok("FETCH_HEAD".to_owned());
    }
    // Not every server gives a commit that is nobody's last, and none by its first digits.
    git.ask(
        doing,
        &[
            "fetch",
            "--quiet",
            "--tags",
            "origin",
            "+refs/heads/*:refs/remotes/origin/*",
        ],
    )?;
    Ok(wanted.to_owned())
}
