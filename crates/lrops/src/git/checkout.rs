//! A tag's tree in a place of its own.
//!
//! It is a clone that borrows the repository's objects: the repository and its work tree are only read, so that nothing has
//! to be undone there, whatever happens. A linked work tree would leave a trace in the repository; an archive lacks what
//! `export-ignore` names, and the `.git` that contexts may want.

use std::path::{Path, PathBuf};

use lrops_model::cancel::CancelToken;

use super::error::GitError;
use super::repository::Repository;

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
    /// When git fails; when the work is stopped, and then git with all that it started.
    pub(crate) fn check_out(
        &self,
        commit: &str,
        directory: &Path,
        cancel: &CancelToken,
    ) -> Result<(), GitError> {
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
        self.git.wait_for(doing, &clone, None, cancel)?;
        let copy = self.git.elsewhere(directory);
        // Submodules and large files are looked for where a fresh clone would look.
        if let Some(address) = self.origin()? {
            copy.ask(doing, &["remote", "set-url", "origin", "--", &address])?;
        }
        let checkout = ["checkout", "--quiet", "--force", "--detach", commit];
        copy.wait_for(&format!("check out {commit}"), &checkout, None, cancel)?;
        if directory.join(".gitmodules").exists() {
            let borrowing = copy
                .with_setting("submodule.alternateLocation=superproject")
                .with_setting("submodule.alternateErrorStrategy=info");
            let update = ["submodule", "--quiet", "update", "--init", "--recursive"];
            borrowing.wait_for("check out the submodules", &update, None, cancel)?;
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
