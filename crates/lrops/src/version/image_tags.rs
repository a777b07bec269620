//! Which tags an image of a state gets.

use super::{History, Version};

/// Whether `latest` moves to a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Latest {
    /// Unless the repository has a higher release, or is a shallow clone that cannot tell.
    UnlessHigher,
    /// Even then.
    Always,
    /// Never.
    Never,
}

/// Returns the tags of an image of a state, in the order in which they move. A release gets its version, and `latest` as
/// wished; a pre-release gets its version and never `latest`. Everything else is called by its commit, which any later
/// build of that commit may take over.
pub(crate) fn image_tags(version: &Version, latest: Latest) -> Vec<String> {
    let Some(tag) = version.exact_tag() else {
        return vec![format!("dev-{}", version.short_commit())];
    };
    let moves = version.is_release()
        && match latest {
            Latest::Always => true,
            Latest::UnlessHigher => is_highest(version) && !is_unsure(version),
            Latest::Never => false,
        };
    let mut tags = vec![tag.version.image_tag()];
    if moves {
        tags.push("latest".to_owned());
    }
    tags
}

/// Returns what a person should know about why `latest` does not move: what is not known must not move it.
pub(crate) fn latest_notice(version: &Version, latest: Latest) -> Option<String> {
    let matters = version.is_release() && latest == Latest::UnlessHigher && is_highest(version);
    (matters && is_unsure(version)).then(|| {
        "this is a shallow clone, which may lack the tag of a higher release: latest does not move; \
         --latest moves it, and `git fetch --unshallow --tags` brings the tags"
            .to_owned()
    })
}

fn is_highest(version: &Version) -> bool {
    let (own, facts) = (&version.name, &version.facts);
    facts
        .highest_release
        .as_ref()
        .is_none_or(|highest| highest <= own)
}

/// A clone that is shallow has the tags that lead to its commits as a rule, and no others.
fn is_unsure(version: &Version) -> bool {
    version.facts.history == History::Cut
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::state;
    use super::super::{SemanticVersion, is_version};
    use super::*;

    #[test]
    fn only_a_release_gets_latest() {
        let check = |tag: &str, highest: &str, latest, expected: &[&str]| {
            let mut version = state(Some((tag, 0)), false);
            version.facts.highest_release = SemanticVersion::of_git_tag(highest);
            assert_eq!(
                image_tags(&version, latest),
                expected,
                "{tag}, {highest}, {latest:?}"
            );
            assert!(is_version(&image_tags(&version, latest)[0]));
        };
        check("v1.2.3", "1.2.3", Latest::UnlessHigher, &["1.2.3", "latest"]);
        check("v1.2.3", "1.2.3", Latest::Never, &["1.2.3"]);
        check("v1.2.3", "1.3.0", Latest::UnlessHigher, &["1.2.3"]);
        check("v1.2.3", "1.3.0", Latest::Always, &["1.2.3", "latest"]);
        check("v1.4.0-rc.1", "1.3.0", Latest::Always, &["1.4.0-rc.1"]);
        check("v1.4.0-rc.1", "none", Latest::UnlessHigher, &["1.4.0-rc.1"]);
        check(
            "v1.2.3+b.5",
            "1.2.3+b.5",
            Latest::UnlessHigher,
            &["1.2.3_b.5", "latest"],
        );
    }

    #[test]
    fn a_shallow_clone_does_not_move_latest_unasked() {
        let mut version = state(Some(("v1.2.3", 0)), false);
        assert_eq!(latest_notice(&version, Latest::UnlessHigher), None);
        version.facts.history = History::Cut;
        assert_eq!(image_tags(&version, Latest::UnlessHigher), ["1.2.3"]);
        assert_eq!(image_tags(&version, Latest::Always), ["1.2.3", "latest"]);
        assert!(latest_notice(&version, Latest::UnlessHigher).is_some());
        for latest in [Latest::Always, Latest::Never] {
            assert_eq!(latest_notice(&version, latest), None);
        }
        version.facts.highest_release = SemanticVersion::of_git_tag("v2.0.0");
        assert_eq!(latest_notice(&version, Latest::UnlessHigher), None);
    }

    #[test]
    fn what_is_no_version_is_called_by_its_commit() {
        for (nearest, is_modified) in [
            (None, false),
            (None, true),
            (Some(("v1.2.3", 1)), false),
            (Some(("v1.2.3", 0)), true),
            (Some(("v1.2.3", 1)), true),
        ] {
            let version = state(nearest, is_modified);
            assert_eq!(
                image_tags(&version, Latest::Always),
                ["dev-0a1b2c3"],
                "{nearest:?}"
            );
        }
    }
}
