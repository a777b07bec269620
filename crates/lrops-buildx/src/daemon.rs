//! What a docker daemon says of itself.

use lrops_model::platform::Platform;

use crate::docker::{Docker, DockerError};

/// How the daemon's image store names itself when it is containerd's, which holds images of several platforms.
const CONTAINERD_STORE: &str = "io.containerd.snapshotter";

/// What is known of the daemon of a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonFacts {
    /// Its version.
    pub version: String,
    /// The platform that it runs on, when it is one that is known.
    pub platform: Option<Platform>,
    /// Whether its image store holds images of several platforms.
    pub holds_platforms: bool,
}

impl DaemonFacts {
    /// Asks the daemon of the place.
    ///
    /// # Errors
    /// When docker is missing, or the daemon does not answer.
    pub fn ask(docker: &Docker) -> Result<Self, DockerError> {
        let format = "{{.ServerVersion}} {{.OSType}}/{{.Architecture}} {{json .DriverStatus}}";
        let command = docker.command().words(["info", "--format", format]);
        let answer = docker.ask(&command)?;
        if let Some(facts) = Self::parse(&answer) {
            return Ok(facts);
        }
        // Some versions end with success although no daemon answers, and keep the reason to themselves. This one fails.
        docker.ask(&docker.command().word("version"))?;
        Err(DockerError::Answer {
            command: command.to_string(),
            problem: format!("there is no version in {:?}", answer.trim()),
        })
    }

    /// Reads `26.1.5 linux/x86_64 [["driver-type","io.containerd.snapshotter.v1"]]`.
    fn parse(answer: &str) -> Option<Self> {
        let (version, rest) = answer.trim().split_once(' ')?;
        let (platform, store) = rest.split_once(' ')?;
        let starts_with_digit = version.starts_with(|first: char| first.is_ascii_digit());
        starts_with_digit.then(|| Self {
            version: version.to_owned(),
            platform: platform.parse().ok(),
            holds_platforms: store.contains(CONTAINERD_STORE),
        })
    }
}

/// Returns the endpoint of the place's context, such as `ssh://gitlab`.
///
/// # Errors
/// When docker is missing, or the context is not defined.
pub fn context_endpoint(docker: &Docker) -> Result<String, DockerError> {
    let words = ["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"];
    let answer = docker.ask(&docker.command().words(words))?;
    Ok(answer.trim().to_owned())
}

/// Returns how much the place's builder keeps, as `docker buildx du` words it, when it tells.
///
/// # Errors
/// When docker, buildx or the builder does not answer.
pub fn builder_usage(docker: &Docker) -> Result<Option<String>, DockerError> {
    let builder = docker.place().builder.as_deref();
    let command = docker
        .command()
        .words(["buildx", "du"])
        .flag("--builder", builder);
    let answer = docker.ask(&command)?;
    let total = answer.lines().rev().find_map(|line| line.strip_prefix("Total:"));
    Ok(total.map(|total| total.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_image_stores_are_told_apart() {
        let read = |answer: &str| {
            let facts = DaemonFacts::parse(answer)?;
            let platform = facts.platform.map(|platform| platform.to_string());
            Some((facts.version, platform.unwrap_or_default(), facts.holds_platforms))
        };
        assert_eq!(
            read("26.1.5+dfsg1 linux/x86_64 [[\"driver-type\",\"io.containerd.snapshotter.v1\"]]\n"),
            Some(("26.1.5+dfsg1".into(), "linux/amd64".into(), true))
        );
        assert_eq!(
            read("20.10.24 linux/aarch64 [[\"Backing Filesystem\",\"extfs\"]]\n"),
            Some(("20.10.24".into(), "linux/arm64".into(), false))
        );
        assert_eq!(read(" / null\n"), None);
    }
}
