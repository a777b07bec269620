//! What a build by docker buildx needs: the program, the context, the daemon, the builder.

use std::thread;
use std::time::Duration;

use lrops_buildx::{
    BuilderFacts, BuilderPlace, BuildxVersion, DaemonFacts, Docker, DockerError, KnownFailure, Site,
    builder_usage, context_endpoint,
};
use lrops_model::cancel::CancelToken;
use lrops_model::platform::Platform;
use lrops_model::request::BuildRequest;

use super::builder;
use super::finding::{Check, Remedy, State};
use crate::failure::one_line;
use crate::farm::{Emulated, emulated_at};

/// How long docker may take for one answer; less than the patience with all of them.
const ANSWER_TIME_LIMIT: Duration = Duration::from_secs(10);

/// The heading of all failures that are known.
const TROUBLESHOOTING: &str = "troubleshooting";

/// A question to docker that brought no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Which known failure it is.
    pub(super) known: Option<KnownFailure>,
    /// What was said.
    pub(super) said: String,
    /// The question, as a command for a shell.
    pub(super) command: String,
}

/// An answer, or why there is none.
pub(super) type Answer<T> = Result<T, Problem>;

/// What the work wants of buildx.
#[derive(Clone, Debug)]
pub(super) struct FarmWanted {
    /// Where it builds.
    pub(super) place: BuilderPlace,
    /// The endpoint that `lrops.toml` gives the context.
    pub(super) host: Option<String>,
    /// The platforms.
    pub(super) platforms: Vec<Platform>,
    /// Whether the builder pushes by itself, so that no image comes here.
    pub(super) pushes: bool,
    /// The request, when there is a Dockerfile.
    pub(super) request: Option<Box<BuildRequest>>,
}

/// What docker, buildx and the builder say.
#[derive(Clone, Debug)]
pub(super) struct FarmFacts {
    pub(super) version: Answer<BuildxVersion>,
    /// The context's endpoint.
    pub(super) endpoint: Answer<String>,
    pub(super) daemon: Answer<DaemonFacts>,
    pub(super) builder: Answer<BuilderFacts>,
    /// How much the builder keeps.
    pub(super) usage: Option<String>,
    /// What would be emulated there, when there is a Dockerfile and the builder runs.
    pub(super) emulated: Option<Vec<Emulated>>,
}

impl FarmFacts {
    /// Asks docker, all at a time.
    pub(super) fn gather(wanted: &FarmWanted, cancel: &CancelToken) -> Self {
        let docker = Docker::new(wanted.place.clone(), cancel.clone()).with_patience(ANSWER_TIME_LIMIT);
        let docker = &docker;
        thread::scope(|scope| {
            let endpoint = scope.spawn(move || answer(context_endpoint(docker)));
            let daemon = scope.spawn(move || answer(DaemonFacts::ask(docker)));
            let builder = scope.spawn(move || answer(BuilderFacts::ask(docker)));
            let usage = scope.spawn(move || builder_usage(docker).ok().flatten());
            let version = answer(BuildxVersion::ask(docker));
            let builder = joined(builder);
            Self {
                emulated: match (&builder, &wanted.request) {
                    (Ok(builder), Some(request)) => emulated_at(builder, request),
                    _ => None,
                },
                version,
                endpoint: joined(endpoint),
                daemon: joined(daemon),
                usage: joined(usage),
                builder,
            }
        })
    }
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn answer<T>(result: Result<T, DockerError>) -> Answer<T> {
    result.map_err(|error| Problem {
        known: error.known(),
        command: error.command().to_owned(),
        said: match &error {
            DockerError::Failed { words, .. } => words.clone(),
            _ => one_line(&error),
        },
    })
}

impl Problem {
    /// Returns what is broken because of it.
    pub(super) fn check(&self, name: &str, site: Site<'_>) -> Check {
        let remedy = match self.known {
            Some(known) => Remedy::known(known, site),
            None => Remedy::new(
                TROUBLESHOOTING,
                format!("`{}` shows a failure that lrops does not know", self.command),
            )
            .cure(format!("see all that it says: {}", self.command)),
        };
        // docker's own last words are then about its help.
        let found = match self.known {
            Some(KnownFailure::BuildxMissing) => "docker has no such plugin",
            _ => self.said.as_str(),
        };
        Check::ill(State::Broken, name, found, remedy)
    }
}

/// Judges docker and what is behind it.
pub(super) fn judge(wanted: &FarmWanted, facts: &FarmFacts) -> Vec<Check> {
    let site = Site::of(&wanted.place).at(facts.endpoint.as_deref().ok());
    if is_docker_missing(facts) {
        let found = "there is none on PATH";
        let remedy = Remedy::known(KnownFailure::DockerMissing, site);
        return vec![Check::ill(State::Broken, "docker", found, remedy)];
    }
    let mut checks = vec![buildx(&facts.version, site), context(wanted, &facts.endpoint)];
    // Nobody answers behind a context that is not there.
    let missing = KnownFailure::ContextMissing;
    if facts
        .endpoint
        .as_ref()
        .is_err_and(|problem| problem.known == Some(missing))
    {
        return checks;
    }
    checks.push(match &facts.daemon {
        Ok(daemon) => Check::ok("daemon", described(daemon)),
        Err(problem) => problem.check("daemon", site),
    });
    // The builder cannot be asked without the plugin.
    if facts.version.is_ok() {
        checks.extend(builder::judge(wanted, facts));
    }
    checks
}

fn is_docker_missing(facts: &FarmFacts) -> bool {
    let problem = facts.version.as_ref().err();
    problem.is_some_and(|problem| problem.known == Some(KnownFailure::DockerMissing))
}

fn buildx(version: &Answer<BuildxVersion>, site: Site<'_>) -> Check {
    let version = match version {
        Ok(version) => *version,
        Err(problem) => return problem.check("buildx", site),
    };
    let found = format!("buildx {version}");
    if version < BuildxVersion::OLDEST {
        let remedy = Remedy::known(KnownFailure::BuildxTooOld, site);
        return Check::ill(State::Broken, "buildx", found, remedy);
    }
    if version < BuildxVersion::RAW_JSON {
        let cause = format!(
            "before {} buildx tells of its progress in words only: which lines ran is read from them",
            BuildxVersion::RAW_JSON
        );
        let remedy = Remedy::new(KnownFailure::BuildxTooOld.name(), cause)
            .cure(format!("install buildx {} or later", BuildxVersion::RAW_JSON));
        return Check::ill(State::Warning, "buildx", found, remedy);
    }
    Check::ok("buildx", found)
}

fn context(wanted: &FarmWanted, endpoint: &Answer<String>) -> Check {
    let place = &wanted.place;
    let endpoint = match endpoint {
        Ok(endpoint) => endpoint,
        Err(problem) => return problem.check("context", Site::of(place)),
    };
    let name = place.context.as_deref().unwrap_or("docker's own");
    let found = format!("{name}, at {endpoint}");
    match &wanted.host {
        Some(host) if host != endpoint => {
            let cause =
                format!("lrops.toml says that the context {name} is at {host}, and it is at {endpoint}");
            let remedy = Remedy::new(KnownFailure::ContextMissing.name(), cause)
                .cure(format!(
                    "let it point there: docker context update {name} --docker host={host}"
                ))
                .cure("or change host under [buildx] in lrops.toml");
            Check::ill(State::Broken, "context", found, remedy)
        }
        _ => Check::ok("context", found),
    }
}

fn described(daemon: &DaemonFacts) -> String {
    let platform = daemon.platform.as_ref();
    let platform = platform
        .map(|platform| format!(" on {platform}"))
        .unwrap_or_default();
    let store = if daemon.holds_platforms {
        "containerd's image store"
    } else {
        "the classic image store"
    };
    format!("docker {}{platform}, with {store}", daemon.version)
}
