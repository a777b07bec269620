//! A repository: what is known of its commits and tags, and a new tag.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lrops_model::timestamp::Timestamp;

use super::error::{GitError, Said};
use super::program::Git;
use crate::environment::Environment;
use crate::version::{Facts, History, NearestTag, Version, VersionTag, highest_release, highest_tag};

/// How many tags that look like versions, and are none, are told to git.
const MISLEADING_TAGS_MAX: usize = 10_000;

/// How many commits since a release are looked at: the largest projects make fewer.
const COMMITS_MAX: usize = 100_000;

/// The repository that a directory is in.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    pub(super) git: Git,
}

/// A tag that was made, and is in no other repository yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewTag {
    /// Its name.
    pub(crate) name: String,
    /// The tag object's identity.
    pub(super) object: String,
}

impl Repository {
    /// Opens the repository that a directory is in.
    ///
    /// # Errors
    /// When there is none, or git does not trust it, or is not there.
    pub(crate) fn open(path: &Path, environment: &Environment) -> Result<Self, GitError> {
        let git = Git::at(path, environment);
        let output = git.run(&["rev-parse", "--git-dir"])?;
        if output.status.success() {
            return Ok(Self { git });
        }
        let source = Said::new(&output.stderr);
        let path = path.to_owned();
        Err(
            if source.contains("dubious ownership") || source.contains("unsafe repository") {
                GitError::Distrusted { path, source }
            } else if source.contains("not a git repository") {
                GitError::NoRepository(path)
            } else {
                GitError::Failed {
                    doing: format!("open the repository at {}", path.display()),
                    source,
                }
            },
        )
    }

    /// Returns what the state of the work tree is called; of a bare repository, what its HEAD is called.
    ///
    /// # Errors
    /// When there is no commit, or git fails.
    pub(crate) fn describe(&self) -> Result<Version, GitError> {
        let (commit, commit_time) = self.head()?;
        let all = self.all_tags()?;
        let tags = version_tags(&all);
        let nearest = self.nearest(&all, &tags)?;
        Ok(Version::of(Facts {
            commit_time,
            nearest,
            is_modified: self.is_dirty()?,
            highest_release: highest_release(&tags).map(|tag| tag.version.clone()),
            history: self.history()?,
            commit,
        }))
    }

    /// Returns the commit at HEAD and its time.
    fn head(&self) -> Result<(String, Timestamp), GitError> {
        const DOING: &str = "find the commit at HEAD";
        let output = self
            .git
            .run(&["rev-parse", "--quiet", "--verify", "HEAD^{commit}"])?;
        if !output.status.success() {
            return Err(GitError::NoCommit(self.git.path().to_owned()));
        }
        let text = self.git.ask(
            DOING,
            &["log", "-1", "--no-show-signature", "--format=%H %ct", "HEAD"],
        )?;
        let fields = text.trim().split_once(' ');
        let parsed =
            fields.and_then(|(commit, time)| Some((commit.to_owned(), Timestamp(time.parse().ok()?))));
        parsed.ok_or_else(|| answer(DOING, &text))
    }

    /// Returns what a tag's commit is called by that tag, whatever other tags it has.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) fn version_of(&self, tag: &VersionTag) -> Result<Version, GitError> {
        Ok(Version::of(Facts {
            commit: tag.commit.clone(),
            commit_time: self.time_of(&tag.commit)?,
            nearest: Some(NearestTag {
                tag: tag.clone(),
                distance: 0,
            }),
            is_modified: false,
            highest_release: highest_release(&self.tags()?).map(|tag| tag.version.clone()),
            history: self.history()?,
        }))
    }

    /// Returns a commit's time.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) fn time_of(&self, commit: &str) -> Result<Timestamp, GitError> {
        const DOING: &str = "find a commit's time";
        let arguments = ["log", "-1", "--no-show-signature", "--format=%ct", commit, "--"];
        let text = self.git.ask(DOING, &arguments)?;
        let time = text.trim().parse().map(Timestamp);
        time.map_err(|_| answer(DOING, &text))
    }

    /// Returns HEAD's commit.
    ///
    /// # Errors
    /// When there is none, or git fails.
    pub(crate) fn head_commit(&self) -> Result<String, GitError> {
        Ok(self.head()?.0)
    }

    /// Returns the tags that name versions.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) fn tags(&self) -> Result<Vec<VersionTag>, GitError> {
        Ok(version_tags(&self.all_tags()?))
    }

    /// Returns all tags, each with the object that it leads to.
    fn all_tags(&self) -> Result<BTreeMap<String, String>, GitError> {
        const DOING: &str = "list the tags";
        let output = self.git.run(&["show-ref", "--tags", "--dereference"])?;
        // It fails in silence when there are none.
        if !output.status.success() && !output.stderr.is_empty() {
            return Err(GitError::Failed {
                doing: DOING.to_owned(),
                source: Said::new(&output.stderr),
            });
        }
        let mut tags = BTreeMap::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Some((object, name)) = line.split_once(" refs/tags/") else {
                return Err(answer(DOING, line));
            };
            // An annotated tag has two lines; what it leads to comes second.
            let name = name.strip_suffix("^{}").unwrap_or(name);
            tags.insert(name.to_owned(), object.to_owned());
        }
        Ok(tags)
    }

    /// Returns the nearest of some version tags, at HEAD or before it. Git finds the commit; the highest version there wins.
    fn nearest(
        &self,
        all: &BTreeMap<String, String>,
        candidates: &[VersionTag],
    ) -> Result<Option<NearestTag>, GitError> {
        const DOING: &str = "find the nearest version tag";
        let names: BTreeSet<&str> = candidates.iter().map(|tag| tag.name.as_str()).collect();
        if names.is_empty() {
            return Ok(None);
        }
        let fixed = [
            "describe",
            "--tags",
            "--long",
            "--abbrev=40",
            "--match=v[0-9]*",
            "--match=[0-9]*",
        ];
        let mut arguments: Vec<String> = fixed.map(str::to_owned).into();
        let is_misleading = |name: &&String| looks_like_version(name) && !names.contains(name.as_str());
        let misleading = all.keys().filter(is_misleading).take(MISLEADING_TAGS_MAX);
        arguments.extend(misleading.map(|name| format!("--exclude={name}")));
        arguments.push("HEAD".to_owned());
        let output = self.git.run(&arguments)?;
        if !output.status.success() {
            let source = Said::new(&output.stderr);
            let is_none = NO_TAG.iter().any(|words| source.contains(words));
            let doing = DOING.to_owned();
            return if is_none {
                Ok(None)
            } else {
                Err(GitError::Failed { doing, source })
            };
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let found = described(&text).and_then(|(name, distance)| {
            let there = &candidates.iter().find(|tag| tag.name == name)?.commit;
            let tag = highest_tag(candidates.iter().filter(|tag| tag.commit == *there))?.clone();
            Some(NearestTag { tag, distance })
        });
        found.map(Some).ok_or_else(|| answer(DOING, &text))
    }

    /// Returns whether tracked files differ from HEAD's, as `git describe --dirty` sees it. Files that git does not know
    /// do not count.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) fn is_dirty(&self) -> Result<bool, GitError> {
        const DOING: &str = "compare the work tree with its commit";
        let inside = self.git.ask(DOING, &["rev-parse", "--is-inside-work-tree"])?;
        if inside.trim() != "true" {
            return Ok(false);
        }
        let changes = self
            .git
            .ask(DOING, &["status", "--porcelain", "--untracked-files=no"])?;
        Ok(!changes.is_empty())
    }

    /// Returns how far back the history is known.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) fn history(&self) -> Result<History, GitError> {
        let shallow = self
            .git
            .ask("look at the history", &["rev-parse", "--is-shallow-repository"])?;
        match shallow.trim() {
            "true" => Ok(History::Cut),
            _ => Ok(History::Whole),
        }
    }

    /// Returns the messages of the commits that HEAD has and a tag does not have; of all, without a tag.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) fn messages_since(&self, tag: Option<&VersionTag>) -> Result<Vec<String>, GitError> {
        let range = tag.map_or("HEAD".to_owned(), |tag| format!("{}..HEAD", tag.commit));
        let count = format!("--max-count={COMMITS_MAX}");
        let arguments = [
            "log",
            "-z",
            "--no-show-signature",
            "--encoding=UTF-8",
            "--format=%B",
            &count,
            &range,
        ];
        let text = self.git.ask("read the commits' messages", &arguments)?;
        Ok(text.split_terminator('\0').map(str::to_owned).collect())
    }

    /// Returns the release that is nearest before HEAD, or at it.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) fn nearest_release(&self) -> Result<Option<NearestTag>, GitError> {
        let all = self.all_tags()?;
        let mut releases = version_tags(&all);
        releases.retain(|tag| !tag.version.is_pre_release());
        self.nearest(&all, &releases)
    }

    /// Makes an annotated tag.
    ///
    /// # Errors
    /// When there is one of that name, or git fails.
    pub(crate) fn create_tag(&self, name: &str, commit: &str, message: &str) -> Result<NewTag, GitError> {
        let doing = format!("make the tag {name}");
        let message = format!("--message={message}");
        self.git
            .ask(&doing, &["tag", "--annotate", &message, "--", name, commit])?;
        let object = self
            .git
            .ask(&doing, &["rev-parse", "--verify", &format!("refs/tags/{name}")])?;
        Ok(NewTag {
            name: name.to_owned(),
            object: object.trim().to_owned(),
        })
    }

    /// Removes a tag again, unless it was moved meanwhile.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) fn remove_tag(&self, tag: &NewTag) -> Result<(), GitError> {
        let doing = format!("remove the tag {} again", tag.name);
        let name = format!("refs/tags/{}", tag.name);
        self.git.ask(&doing, &["update-ref", "-d", &name, &tag.object])?;
        Ok(())
    }
}

/// Returns the time of the commit that a directory's work tree is at; none outside of a work tree, and before the first
/// commit.
///
/// # Errors
/// When git cannot be started.
pub(crate) fn commit_time(
    directory: &Path,
    environment: &Environment,
) -> Result<Option<Timestamp>, GitError> {
    if !directory.ancestors().any(|path| path.join(".git").exists()) {
        return Ok(None);
    }
    // A work tree of another user's is read, not run: no hook and no pager is started by `log`.
    let git = Git::at(directory, environment).with_setting("safe.directory=*");
    let output = git.run(&["log", "-1", "--no-show-signature", "--format=%ct"])?;
    let time = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .map(Timestamp);
    Ok(time.ok().filter(|_| output.status.success()))
}

/// What `git describe` says when no tag is near.
const NO_TAG: [&str; 3] = ["No names found", "No tags can describe", "cannot describe"];

fn version_tags(all: &BTreeMap<String, String>) -> Vec<VersionTag> {
    all.iter()
        .filter_map(|(name, commit)| VersionTag::new(name, commit))
        .collect()
}

/// Whether the patterns that git is given choose a tag.
fn looks_like_version(name: &str) -> bool {
    let name = name.strip_prefix('v').unwrap_or(name);
    name.starts_with(|first: char| first.is_ascii_digit())
}

/// Reads `TAG-DISTANCE-gCOMMIT`.
fn described(text: &str) -> Option<(&str, u64)> {
    let (rest, _) = text.trim().rsplit_once("-g")?;
    let (name, distance) = rest.rsplit_once('-')?;
    Some((name, distance.parse().ok()?))
}

fn answer(doing: &str, text: &str) -> GitError {
    GitError::Answer {
        doing: doing.to_owned(),
        answer: text.trim().to_owned(),
    }
}
