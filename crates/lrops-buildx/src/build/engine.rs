//! The engine: named contexts are handed over, buildx builds, and the image comes to the store or to its registry.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use lrops_model::blob::BlobStore;
use lrops_model::digest::Digest;
use lrops_model::engine::{BuildError, Delivered, Engine, StepError, StepFailure};
use lrops_model::event::{OnEvent, StepName};
use lrops_model::graph::StepLabel;
use lrops_model::oci::Descriptor;
use lrops_model::platform::Platform;
use lrops_model::request::{BuildRequest, LayoutSelector, NamedContext, NestedBuild};

use super::attempt::{Attempts, GivenUp};
use super::error::BuildxError;
use super::invocation::{Delivery, ImageResult, Invocation, PassedOn, Question, shown};
use super::metadata::Metadata;
use crate::command_line::CommandLine;
use crate::docker::Docker;
use crate::known::KnownFailure;
use crate::progress::{FailedStep, ProgressForm};

/// A named context that a Dockerfile uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededContext {
    /// Its name in the request.
    pub name: String,
    /// The platforms that it is needed for.
    pub platforms: Vec<Platform>,
    /// When it is a Dockerfile: the directory of OCI content that it is brought to. Its blobs are the store's.
    pub exchange: PathBuf,
    /// What it needs itself, when it is a Dockerfile.
    pub needs: Vec<NeededContext>,
}

/// What the engine works with.
pub struct BuildxSettings<'a> {
    /// The docker program, and where it builds.
    pub docker: &'a Docker,
    /// How buildx tells of its progress.
    pub progress: ProgressForm,
    /// How the image leaves the builder.
    pub delivery: Delivery,
    /// A directory of OCI content whose blobs are the store's: buildx reads bases from it, and writes images to it.
    pub exchange: &'a Path,
    /// Such a directory for this run alone: `BuildKit` locks a directory's index, and does not wait for another's lock.
    pub run: &'a Path,
    /// Where paths in commands start from: the working directory.
    pub directory: &'a Path,
    /// The contexts that are handed over.
    pub needs: &'a [NeededContext],
    /// The steps as the Dockerfile has them: where a failed one stands.
    pub labels: &'a [StepLabel],
    /// Flags that are given to buildx as they were typed.
    pub passed_on: &'a PassedOn,
    /// The waits before each retry.
    pub retry_waits: &'a [Duration],
    /// The bases that contexts mean, in the store: an index each, or the manifest of the one platform.
    pub bases: &'a BTreeMap<String, Digest>,
    /// The number of the next step. Builds beside each other share it.
    pub numbers: &'a AtomicU32,
}

/// `docker buildx`.
pub struct BuildxEngine<'a> {
    settings: BuildxSettings<'a>,
}

/// One Dockerfile of a request.
struct Dockerfile<'r> {
    request: &'r BuildRequest,
    /// The build that it is; none for the request's own.
    nested: Option<(&'r NeededContext, &'r NestedBuild)>,
    platforms: &'r [Platform],
    needs: &'r [NeededContext],
}

/// How long a description may take: the front end may be an image that is fetched first.
const DESCRIPTION_TIME_LIMIT: Duration = Duration::from_mins(10);

/// The configuration writes arguments with their values.
const NONE: &BTreeSet<String> = &BTreeSet::new();

impl Engine for BuildxEngine<'_> {
    fn build(
        &self,
        request: &BuildRequest,
        store: &dyn BlobStore,
        on_event: OnEvent<'_>,
    ) -> Result<Delivered, BuildError> {
        let metadata = self.carry_out(&self.main(request), on_event)?;
        match &self.settings.delivery {
            Delivery::Store => {
                let root = metadata.descriptor().ok_or_else(|| says_nothing("descriptor"))?;
                is_there(store, &root)?;
                Ok(Delivered::Stored(root))
            }
            Delivery::PushByDigest | Delivery::PushTags | Delivery::Besides(_) => {
                let digest = metadata.digest().ok_or_else(|| says_nothing("digest"))?;
                Ok(Delivered::Pushed(digest))
            }
        }
    }
}

impl<'a> BuildxEngine<'a> {
    /// Returns the engine.
    pub fn new(settings: BuildxSettings<'a>) -> Self {
        Self { settings }
    }

    /// Returns the commands for a request, in their order: those of contexts that are builds themselves come first.
    ///
    /// # Errors
    /// When a context is not known.
    pub fn commands(&self, request: &BuildRequest) -> Result<Vec<CommandLine>, BuildError> {
        let mut commands = Vec::new();
        self.collect(&self.main(request), &mut commands)?;
        Ok(commands)
    }

    fn collect(
        &self,
        dockerfile: &Dockerfile<'_>,
        commands: &mut Vec<CommandLine>,
    ) -> Result<(), BuildError> {
        let mut contexts = Vec::new();
        for need in dockerfile.needs {
            let place = match context_of(dockerfile.request, &need.name)? {
                NamedContext::Dockerfile(nested) => {
                    self.collect(&nested_dockerfile(dockerfile.request, need, nested), commands)?;
                    // What it will be is not known yet; the only image that lies there is found without a name.
                    format!("oci-layout://{}", need.exchange.display())
                }
                other => self.place(other)?,
            };
            contexts.push((need.name.clone(), place));
        }
        commands.push(self.invocation(dockerfile, contexts).command().typed());
        Ok(())
    }

    /// Asks the front end what it says of the Dockerfile instead of building it (`--call`), and returns its answer.
    /// Contexts that are builds themselves are built.
    ///
    /// # Errors
    /// As for a build.
    pub fn describe(
        &self,
        request: &BuildRequest,
        question: &Question<'_>,
        on_event: OnEvent<'_>,
    ) -> Result<String, BuildError> {
        let main = self.main(request);
        let contexts = self.contexts(&main, on_event)?;
        let invocation = Invocation {
            result: ImageResult::Description(question),
            ..self.invocation(&main, contexts)
        };
        let command = invocation.command().typed();
        let asked = self
            .settings
            .docker
            .feed(&command, invocation.input(), DESCRIPTION_TIME_LIMIT);
        asked.map_err(|error| {
            let doing = format!(
                "docker buildx does not say the {} of the Dockerfile",
                question.method
            );
            match BuildxError::of_question(error, self.settings.docker.place()) {
                Ok(error) => build_error(doing, error),
                Err(cancelled) => BuildError::Cancelled(cancelled),
            }
        })
    }

    fn main<'r>(&'r self, request: &'r BuildRequest) -> Dockerfile<'r> {
        Dockerfile {
            request,
            nested: None,
            platforms: &request.platforms,
            needs: self.settings.needs,
        }
    }

    /// Builds a Dockerfile, after the contexts that it needs.
    fn carry_out(&self, dockerfile: &Dockerfile<'_>, on_event: OnEvent<'_>) -> Result<Metadata, BuildError> {
        let request = dockerfile.request;
        let contexts = self.contexts(dockerfile, on_event)?;
        let settings = &self.settings;
        let invocation = self.invocation(dockerfile, contexts);
        let is_main = dockerfile.nested.is_none();
        let metadata = settings.run.join("metadata.json");
        let attempts = Attempts {
            docker: settings.docker,
            progress: settings.progress,
            waits: settings.retry_waits,
            metadata: &metadata,
            attests: is_main && settings.passed_on.attests,
            pushes: is_main && matches!(settings.delivery, Delivery::PushByDigest | Delivery::PushTags),
            does_all: is_main && settings.delivery == Delivery::PushTags,
            cancel: &request.cancel,
            on_event,
            numbers: settings.numbers,
        };
        let built = attempts.run(&invocation.command(), invocation.input());
        built.map_err(|given_up| match given_up {
            GivenUp::Cancelled(cancelled) => BuildError::Cancelled(cancelled),
            GivenUp::Step(failed) => self.step_error(dockerfile, *failed),
            GivenUp::Buildx(error) => build_error("docker buildx failed to build".to_owned(), *error),
        })
    }

    /// Returns the contexts that a Dockerfile needs and where buildx finds them, after those were built that are builds
    /// themselves.
    fn contexts(
        &self,
        dockerfile: &Dockerfile<'_>,
        on_event: OnEvent<'_>,
    ) -> Result<Vec<(String, String)>, BuildError> {
        let request = dockerfile.request;
        let mut contexts = Vec::new();
        for need in dockerfile.needs {
            request.cancel.check()?;
            let place = match context_of(request, &need.name)? {
                NamedContext::Dockerfile(nested) => {
                    let built = self.carry_out(&nested_dockerfile(request, need, nested), on_event)?;
                    let digest = built.digest().ok_or_else(|| says_nothing("digest"))?;
                    self.handed(digest)
                }
                other => self.place(other)?,
            };
            contexts.push((need.name.clone(), place));
        }
        Ok(contexts)
    }

    fn invocation<'r>(
        &'r self,
        dockerfile: &Dockerfile<'r>,
        contexts: Vec<(String, String)>,
    ) -> Invocation<'r> {
        let settings = &self.settings;
        let request = dockerfile.request;
        let exchange = settings.exchange;
        let passed_on = settings.passed_on;
        match dockerfile.nested {
            None => Invocation {
                docker: settings.docker,
                request,
                dockerfile: &request.dockerfile,
                context: &request.context,
                target: request.target.as_deref(),
                platforms: dockerfile.platforms,
                build_args: &request.build_args,
                bare_arguments: &passed_on.bare_arguments,
                contexts,
                result: ImageResult::Image {
                    delivery: &settings.delivery,
                    exchange,
                },
                passed_on: match settings.delivery {
                    Delivery::Besides(_) => vec![&passed_on.everywhere],
                    _ => vec![&passed_on.everywhere, &passed_on.main],
                },
                layers: &passed_on.layers,
                directory: settings.directory,
                run: settings.run,
            },
            Some((need, nested)) => Invocation {
                docker: settings.docker,
                request,
                dockerfile: &nested.dockerfile,
                context: &nested.context,
                target: nested.target.as_deref(),
                platforms: dockerfile.platforms,
                build_args: &nested.build_args,
                bare_arguments: NONE,
                contexts,
                result: ImageResult::Context {
                    exchange: &need.exchange,
                },
                passed_on: vec![&passed_on.everywhere],
                layers: &[],
                directory: settings.directory,
                run: settings.run,
            },
        }
    }

    /// Returns where buildx finds a context, as `--build-context` writes it.
    fn place(&self, context: &NamedContext) -> Result<String, BuildError> {
        let settings = &self.settings;
        Ok(match context {
            NamedContext::Directory(directory) => shown(&directory.path, settings.directory),
            NamedContext::Image(reference) => format!("docker-image://{reference}"),
            NamedContext::Layout { path, selector } => {
                let path = path.display();
                match selector {
                    LayoutSelector::Tag(tag) => format!("oci-layout://{path}:{tag}"),
                    LayoutSelector::Digest(digest) => format!("oci-layout://{path}@{digest}"),
                    LayoutSelector::Only => format!("oci-layout://{path}"),
                }
            }
            NamedContext::Base(name) => match settings.bases.get(name) {
                Some(digest) => self.handed(*digest),
                None => {
                    return Err(BuildError::Request {
                        message: format!("the base {name:?} was not assembled"),
                    });
                }
            },
            NamedContext::Dockerfile(_) => unreachable!("a build is carried out before it is handed over"),
        })
    }

    fn handed(&self, digest: Digest) -> String {
        format!("oci-layout://{}@{digest}", self.settings.exchange.display())
    }

    /// Says which step failed, and where it stands.
    fn step_error(&self, dockerfile: &Dockerfile<'_>, failed: FailedStep) -> BuildError {
        let (text, is_main) = match dockerfile.nested {
            None => (&dockerfile.request.dockerfile, true),
            Some((_, nested)) => (&nested.dockerfile, false),
        };
        let label = match failed.name {
            StepName::Step(label) => self.placed(label, is_main),
            StepName::Activity(instruction) => StepLabel {
                instruction,
                ..StepLabel::default()
            },
        };
        let cause = match exit_code(&failed.error) {
            Some((command, code)) => StepFailure::Exit { command, code },
            None => StepFailure::User {
                message: failed.error,
            },
        };
        BuildError::Step(Box::new(StepError {
            label: StepLabel {
                file: text.name.clone(),
                ..label
            },
            dockerfile: Some((text.name.clone(), text.text.clone())),
            cause,
            output_tail: failed.tail,
            log: None,
        }))
    }

    /// Gives a label that was read from a name the place where it stands in the Dockerfile. BuildKit does not count
    /// steps as lrops does, but writes them so.
    fn placed(&self, label: StepLabel, is_main: bool) -> StepLabel {
        let line = |label: &StepLabel| label.instruction.split_whitespace().collect::<Vec<_>>().join(" ");
        let wanted = line(&label);
        let same = |known: &&StepLabel| line(known) == wanted;
        let mut known = self.settings.labels.iter().filter(|_| is_main).filter(same);
        let first = known.next();
        let of_its_stage = first
            .into_iter()
            .chain(known)
            .find(|known| known.stage == label.stage);
        StepLabel {
            place: of_its_stage.or(first).and_then(|known| known.place.clone()),
            ..label
        }
    }
}

fn nested_dockerfile<'r>(
    request: &'r BuildRequest,
    need: &'r NeededContext,
    nested: &'r NestedBuild,
) -> Dockerfile<'r> {
    Dockerfile {
        request,
        nested: Some((need, nested)),
        platforms: &need.platforms,
        needs: &need.needs,
    }
}

fn context_of<'r>(request: &'r BuildRequest, name: &str) -> Result<&'r NamedContext, BuildError> {
    request
        .named_contexts
        .get(name)
        .ok_or_else(|| BuildError::Request {
            message: format!("there is no context {name:?}"),
        })
}

/// Makes sure that what buildx says it built is in the store. Its parts are looked at when it is proved.
fn is_there(store: &dyn BlobStore, root: &Descriptor) -> Result<(), BuildError> {
    store.open(root)?;
    Ok(())
}

/// Reads `process "…" did not complete successfully: exit code: N`, or `executor failed running […]: exit code: N` of
/// docker 20.10.
fn exit_code(error: &str) -> Option<(String, i32)> {
    let (before, code) = error.rsplit_once(": exit code: ")?;
    let code = code.split(|character: char| !character.is_ascii_digit()).next()?;
    let command = if let Some((_, command)) = before.split_once("executor failed running [") {
        command.trim_end_matches(']').to_owned()
    } else {
        let quoted = before.strip_suffix("did not complete successfully")?.trim();
        let quoted = quoted
            .rsplit_once("process ")
            .map_or(quoted, |(_, quoted)| quoted);
        serde_json::from_str(quoted).unwrap_or_else(|_| quoted.trim_matches('"').to_owned())
    };
    Some((command, code.parse().ok()?))
}

fn says_nothing(what: &str) -> BuildError {
    BuildError::Other {
        message: "docker buildx built, but lrops cannot tell what".to_owned(),
        source: format!("its metadata file holds no {what} of an image").into(),
    }
}

fn build_error(message: String, error: BuildxError) -> BuildError {
    let environment = error.known.is_some_and(KnownFailure::is_environment);
    let source = Box::new(error);
    if environment {
        BuildError::Environment { message, source }
    } else {
        BuildError::Other { message, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_of_a_command_is_read_from_either_wording() {
        let read = |error: &str| exit_code(error).map(|(command, code)| format!("{command} {code}"));
        assert_eq!(
            read(r#"process "/bin/sh -c echo \"a\"; exit 3" did not complete successfully: exit code: 3"#)
                .as_deref(),
            Some(r#"/bin/sh -c echo "a"; exit 3 3"#)
        );
        assert_eq!(
            read("executor failed running [/bin/sh -c exit 7]: exit code: 7").as_deref(),
            Some("/bin/sh -c exit 7 7")
        );
        assert_eq!(read("failed to push"), None);
    }
}
