//! `lrops version` and `lrops bump`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Format;
use crate::version::{Kind, Latest};

/// Which time a build is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BuildTime {
    /// The commit's: the same each time.
    #[default]
    Commit,
    /// This moment.
    Now,
}

/// `lrops version`.
#[derive(Args, Debug)]
pub(crate) struct VersionArguments {
    /// A directory of the project [default: the working directory]
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// As --format=json
    #[arg(long)]
    pub(crate) json: bool,
    /// Print `VERSION`, `BUILD_TIME` and `GIT_COMMIT` as NAME=VALUE, to be used as build arguments
    #[arg(long, conflicts_with_all = ["json", "format"])]
    pub(crate) build_info: bool,
    /// What `BUILD_TIME` is: the commit's time, or now
    #[arg(
        long,
        value_enum,
        default_value_t,
        requires = "build_info",
        value_name = "TIME"
    )]
    pub(crate) build_time: BuildTime,
    #[command(flatten)]
    pub(crate) latest: LatestArguments,
}

/// `lrops bump`.
#[derive(Args, Debug)]
pub(crate) struct BumpArguments {
    /// Which number of the version to raise [default: asked for]
    #[arg(value_enum, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    /// The older name of KIND
    #[arg(long = "type", value_enum, value_name = "KIND", conflicts_with = "kind")]
    pub(crate) older_kind: Option<Kind>,
    /// Find out the kind from the commits since the last release, and do nothing when there are none
    #[arg(long, conflicts_with_all = ["kind", "older_kind"])]
    pub(crate) ci: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Tag the commit although tracked files differ from it
    #[arg(long)]
    pub(crate) allow_dirty: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
    /// The tag's message [default: Release X.Y.Z]
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// A directory of the project [default: the working directory]
    #[arg(long, short = 'C', value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

/// Where a tag is pushed to.
#[derive(Args, Clone, Debug)]
pub(crate) struct RemoteArguments {
    /// Make the tag here only
    #[arg(long, conflicts_with = "remote")]
    no_push: bool,
    /// Where the tag is pushed to
    #[arg(long, value_name = "NAME", default_value = "origin")]
    remote: String,
}

impl RemoteArguments {
    /// Returns the remote's name, if the tag is pushed.
    pub(crate) fn name(&self) -> Option<&str> {
        (!self.no_push).then_some(self.remote.as_str())
    }
}

/// Whether `latest` moves to a release.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct LatestArguments {
    /// Call a release's image latest even when there is a higher release
    #[arg(long, conflicts_with = "no_latest")]
    latest: bool,
    /// Never call an image latest
    #[arg(long)]
    no_latest: bool,
}

impl LatestArguments {
    /// Returns what is meant.
    pub(crate) fn wish(self) -> Latest {
        match (self.latest, self.no_latest) {
            (true, _) => Latest::Always,
            (_, true) => Latest::Never,
            _ => Latest::UnlessHigher,
        }
    }
}

impl BumpArguments {
    /// Returns the kind that was asked for, by whichever name.
    pub(crate) fn asked_kind(&self) -> Option<Kind> {
        self.kind.or(self.older_kind)
    }
}
