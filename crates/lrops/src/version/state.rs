//! What the state of a work tree is called, from what git knows of it.

use lrops_model::timestamp::Timestamp;

use super::SemanticVersion;

/// How many digits of a commit stand in a version and in an image's tag. git's own abbreviation has as many in most
/// repositories, but grows with what a clone contains; a state has one name in all clones.
const SHORT_COMMIT_DIGITS: usize = 7;

/// A tag of git that names a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VersionTag {
    /// The tag's name.
    pub(crate) name: String,
    /// The version that it names.
    pub(crate) version: SemanticVersion,
    /// The commit that it is at.
    pub(crate) commit: String,
}

impl VersionTag {
    /// Returns a tag, if its name is a version's.
    pub(crate) fn new(name: &str, commit: &str) -> Option<Self> {
        Some(Self {
            version: SemanticVersion::of_git_tag(name)?,
            name: name.to_owned(),
            commit: commit.to_owned(),
        })
    }
}

/// Returns the tag with the highest version; of two with the same, the one with `v`.
pub(crate) fn highest_tag<'a>(tags: impl IntoIterator<Item = &'a VersionTag>) -> Option<&'a VersionTag> {
    tags.into_iter()
        .max_by_key(|tag| (&tag.version, tag.name.starts_with('v')))
}

/// Returns the tag with the highest version that is no pre-release.
pub(crate) fn highest_release<'a>(tags: impl IntoIterator<Item = &'a VersionTag>) -> Option<&'a VersionTag> {
    highest_tag(tags.into_iter().filter(|tag| !tag.version.is_pre_release()))
}

/// The version tag that is nearest to a commit, among those at it and before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NearestTag {
    /// The tag.
    pub(crate) tag: VersionTag,
    /// How many commits came since.
    pub(crate) distance: u64,
}

/// How far back a repository knows its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum History {
    /// To the first commit.
    Whole,
    /// It is cut off: a shallow clone.
    Cut,
}

/// What git knows of the state of a work tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The commit that HEAD is at.
    pub(crate) commit: String,
    /// Its time.
    pub(crate) commit_time: Timestamp,
    /// The nearest version tag.
    pub(crate) nearest: Option<NearestTag>,
    /// Whether tracked files differ from the commit.
    pub(crate) is_modified: bool,
    /// The highest version of the repository that is no pre-release.
    pub(crate) highest_release: Option<SemanticVersion>,
    /// How far back the history is known.
    pub(crate) history: History,
}

/// What a state is called, and all that decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// What it is called.
    pub(crate) name: SemanticVersion,
    /// What git knows.
    pub(crate) facts: Facts,
}

impl Version {
    /// Calls a state by its name:
    ///
    /// | state | name |
    /// |---|---|
    /// | a version tag is at HEAD | `1.2.3`, `1.2.3-rc.1` |
    /// | that, modified | `1.2.3-modified`, `1.2.3-rc.1.modified` |
    /// | commits came since | `1.2.3-dev+abc1234`, `1.2.3-rc.1.dev+abc1234` |
    /// | that, modified | `1.2.3-dev+abc1234-modified` |
    /// | there is no version tag | `0.0.0-dev+abc1234` |
    pub(crate) fn of(facts: Facts) -> Self {
        let name = match &facts.nearest {
            Some(NearestTag { tag, distance: 0 }) if facts.is_modified => tag.version.with_word("modified"),
            Some(NearestTag { tag, distance: 0 }) => tag.version.clone(),
            nearest => {
                let base = nearest.as_ref().map(|nearest| nearest.tag.version.clone());
                let base = base.unwrap_or(SemanticVersion::ZERO);
                let suffix = if facts.is_modified { "-modified" } else { "" };
                base.with_word("dev")
                    .with_build(&format!("{}{suffix}", short(&facts.commit)))
            }
        };
        Self { name, facts }
    }

    /// Returns the tag at HEAD, whose version this is, when nothing is modified.
    pub(crate) fn exact_tag(&self) -> Option<&VersionTag> {
        match &self.facts.nearest {
            Some(NearestTag { tag, distance: 0 }) if !self.facts.is_modified => Some(tag),
            _ => None,
        }
    }

    /// Returns whether it is a release: a tag is at HEAD, it is no pre-release's, and nothing is modified.
    pub(crate) fn is_release(&self) -> bool {
        self.exact_tag().is_some_and(|tag| !tag.version.is_pre_release())
    }

    /// Returns the first digits of the commit.
    pub(crate) fn short_commit(&self) -> &str {
        short(&self.facts.commit)
    }

    /// Returns what a build is told of the state: names and values of build arguments. The time is the commit's, where a
    /// second build is to be the same as the first.
    pub(crate) fn build_arguments(&self, time: Timestamp) -> [(&'static str, String); 3] {
        [
            ("VERSION", self.name.to_string()),
            ("BUILD_TIME", time.to_string()),
            ("GIT_COMMIT", self.facts.commit.clone()),
        ]
    }

    /// Returns what a person should know about how the name was found.
    pub(crate) fn notice(&self) -> Option<String> {
        let is_unsure = self.facts.history == History::Cut && self.facts.nearest.is_none();
        is_unsure.then(|| {
            format!(
                "this is a shallow clone, and no version tag is within what it has of the history: called {}; \
                 `git fetch --unshallow --tags` brings the rest",
                self.name
            )
        })
    }
}

fn short(commit: &str) -> &str {
    commit.get(..SHORT_COMMIT_DIGITS).unwrap_or(commit)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const COMMIT: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567";

    /// Returns the state of a work tree whose nearest tag is so many commits away.
    pub(in crate::version) fn state(nearest: Option<(&str, u64)>, is_modified: bool) -> Version {
        Version::of(Facts {
            commit: COMMIT.to_owned(),
            commit_time: Timestamp(1_700_000_000),
            nearest: nearest.map(|(name, distance)| NearestTag {
                tag: VersionTag::new(name, COMMIT).unwrap(),
                distance,
            }),
            is_modified,
            highest_release: None,
            history: History::Whole,
        })
    }

    #[test]
    fn a_state_is_called_by_its_nearest_tag() {
        const CLEAN: bool = false;
        const MODIFIED: bool = true;
        for (nearest, is_modified, expected) in [
            (Some(("v1.2.3", 0)), CLEAN, "1.2.3"),
            (Some(("1.2.3", 0)), CLEAN, "1.2.3"),
            (Some(("v1.2.3", 0)), MODIFIED, "1.2.3-modified"),
            (Some(("v1.2.3", 4)), CLEAN, "1.2.3-dev+0a1b2c3"),
            (Some(("v1.2.3", 4)), MODIFIED, "1.2.3-dev+0a1b2c3-modified"),
            (Some(("v1.2.3-rc.1", 0)), CLEAN, "1.2.3-rc.1"),
            (Some(("v1.2.3-rc.1", 0)), MODIFIED, "1.2.3-rc.1.modified"),
            (Some(("v1.2.3-rc.1", 1)), CLEAN, "1.2.3-rc.1.dev+0a1b2c3"),
            (Some(("v1.2.3+b.5", 0)), CLEAN, "1.2.3+b.5"),
            (Some(("v1.2.3+b.5", 0)), MODIFIED, "1.2.3-modified+b.5"),
            (Some(("v1.2.3+b.5", 1)), CLEAN, "1.2.3-dev+0a1b2c3"),
            (None, CLEAN, "0.0.0-dev+0a1b2c3"),
            (None, MODIFIED, "0.0.0-dev+0a1b2c3-modified"),
        ] {
            let version = state(nearest, is_modified);
            let name = version.name.to_string();
            assert_eq!(name, expected, "{nearest:?}");
            assert!(SemanticVersion::of_git_tag(&name).is_some(), "{name}");
            let is_release = matches!(expected, "1.2.3" | "1.2.3+b.5");
            assert_eq!(version.is_release(), is_release, "{name}");
        }
    }

    #[test]
    fn the_highest_version_wins_and_a_release_before_its_pre_release() {
        let check = |names: &[&str], highest: Option<&str>, release: Option<&str>| {
            let tags: Vec<VersionTag> = names
                .iter()
                .filter_map(|name| VersionTag::new(name, COMMIT))
                .collect();
            let name = |tag: Option<&VersionTag>| tag.map(|tag| tag.name.clone());
            assert_eq!(name(highest_tag(&tags)).as_deref(), highest, "{names:?}");
            assert_eq!(name(highest_release(&tags)).as_deref(), release, "{names:?}");
        };
        check(&[], None, None);
        check(&["latest", "v1"], None, None);
        check(&["v1.9.0", "v1.10.0", "v1.2.0"], Some("v1.10.0"), Some("v1.10.0"));
        check(&["v1.0.0", "v1.0.0-rc.2"], Some("v1.0.0"), Some("v1.0.0"));
        check(&["v1.0.0-rc.2", "v1.0.0-rc.10"], Some("v1.0.0-rc.10"), None);
        check(&["v1.0.0", "v1.1.0-rc.1"], Some("v1.1.0-rc.1"), Some("v1.0.0"));
        check(&["v1.0.0", "1.0.0"], Some("v1.0.0"), Some("v1.0.0"));
        check(&["1.0.0", "v1.0.0"], Some("v1.0.0"), Some("v1.0.0"));
    }

    #[test]
    fn a_cut_history_is_told_where_it_matters() {
        let mut version = state(None, false);
        assert_eq!(version.notice(), None);
        version.facts.history = History::Cut;
        assert!(version.notice().unwrap().contains("--unshallow"));
        let mut version = state(Some(("v1.0.0", 2)), false);
        version.facts.history = History::Cut;
        assert_eq!(version.notice(), None);
    }
}
