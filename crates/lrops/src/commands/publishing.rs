//! What all commands that publish have in common: flags, the proof beside the transfer, documents, tags, the end.

use std::collections::BTreeSet;
use std::path::Path;

use lrops_buildx::quoted;
use lrops_model::blob::BlobSource;
use lrops_model::cancel::CancelToken;
use lrops_model::event::{OnEvent, StepNumber, StepOutcome};
use lrops_model::image::ImageNode;
use lrops_model::reference::Reference;
use lrops_remote::registry::{PushError, PushSettings, TagOutcome};
use serde::Serialize;

use super::build::activity;
use super::{print, say};
use crate::arguments::{ProgressMode, PublishArguments, RegistryArguments};
use crate::configuration::Configuration;
use crate::failure::Failure;
use crate::fields;
use crate::progress::Progress;
use crate::proof::Proved;
use crate::publish::{Board, Overwrite, Publication, PublishError, Sent, Tagging, place};

/// The number of the activity that shows a transfer: it may run beside the numbered steps of a build.
const TRANSFER: StepNumber = StepNumber(0);

/// The smallest chunk that may be asked for: below, the protocol costs more than the bytes.
const CHUNK_SIZE_BYTES_MIN: u64 = 64 * 1024;

/// Returns how to push, from flags and `lrops.toml`.
///
/// # Errors
/// When a flag's value makes no sense.
pub(crate) fn push_settings(
    arguments: &PublishArguments,
    configuration: &Configuration,
) -> Result<PushSettings, Failure> {
    let section = &configuration.sections.push;
    let usual = PushSettings::USUAL;
    let typed = arguments
        .chunk_size
        .as_deref()
        .map(|text| fields::bytes(text).map_err(|error| Failure::usage(format!("--chunk-size: {error}"))))
        .transpose()?;
    let chunk_size = typed
        .or(section.chunk_size.map(|size| size.0))
        .unwrap_or(usual.chunk_size);
    if chunk_size < CHUNK_SIZE_BYTES_MIN {
        return Err(Failure::usage("--chunk-size: a chunk has at least 64 KiB"));
    }
    let configured = section.parallel.map(std::num::NonZeroUsize::get);
    let parallel = arguments.parallel.or(configured).unwrap_or(usual.parallel);
    if parallel == 0 {
        return Err(Failure::usage(
            "--parallel: at least one blob must be sent at a time",
        ));
    }
    Ok(PushSettings { parallel, chunk_size })
}

/// Returns whether versions may be taken from other images.
pub(crate) fn overwrite(arguments: &PublishArguments) -> Overwrite {
    if arguments.force {
        Overwrite::Force
    } else {
        Overwrite::Refuse
    }
}

/// What the command says that goes on with a push.
pub(crate) struct Continuation<'a> {
    /// The image, as `lrops push` finds it.
    pub(crate) image: &'a str,
    /// Its names.
    pub(crate) names: &'a [Reference],
    /// Whether no tag is moved.
    pub(crate) tagging: Tagging,
    /// `--allow`.
    pub(crate) allow: &'a [String],
    /// How it is published.
    pub(crate) publish: &'a PublishArguments,
    /// How registries are reached.
    pub(crate) registries: &'a RegistryArguments,
    /// `--store`, as it was typed.
    pub(crate) store: Option<&'a Path>,
    /// The configuration that was found.
    pub(crate) configuration: &'a Configuration,
    /// Where paths start.
    pub(crate) directory: &'a Path,
}

impl Continuation<'_> {
    /// Returns the command, to be pasted into a shell.
    pub(crate) fn command(&self) -> String {
        let mut words = vec!["lrops".to_owned(), "push".to_owned(), self.image.to_owned()];
        let mut add = |flag: &str, value: Option<String>| {
            words.push(flag.to_owned());
            words.extend(value);
        };
        let absolute = |path: &Path| self.directory.join(path).display().to_string();
        for name in self.names {
            add("--tag", Some(name.familiar()));
        }
        if self.tagging == Tagging::DigestOnly {
            add("--by-digest", None);
        }
        if self.publish.force {
            add("--force", None);
        }
        for pattern in self.allow {
            add("--allow", Some(pattern.clone()));
        }
        let (publish, registries) = (self.publish, self.registries);
        for (flag, value) in [
            ("--chunk-size", publish.chunk_size.clone()),
            ("--parallel", publish.parallel.map(|number| number.to_string())),
            (
                "--retries",
                registries.retry.retries.map(|number| number.to_string()),
            ),
            (
                "--retry-wait",
                registries.retry.retry_wait.map(|seconds| seconds.to_string()),
            ),
            ("--store", self.store.map(absolute)),
            ("--config", self.configuration.path.as_deref().map(absolute)),
        ] {
            if value.is_some() {
                add(flag, value);
            }
        }
        for path in &registries.registry_ca {
            add("--registry-ca", Some(absolute(path)));
        }
        for host in &registries.insecure_registry {
            add("--insecure-registry", Some(host.clone()));
        }
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        words.join(" ")
    }
}

/// Begins to show a transfer to these names.
pub(super) fn board<'a>(on_event: OnEvent<'a>, names: &[Reference]) -> Board<'a> {
    let places: BTreeSet<String> = names.iter().map(place).collect();
    let places: Vec<String> = places.into_iter().collect();
    Board::begin(on_event, TRANSFER, &places)
}

/// An image that is being published.
pub(super) struct Publishing<'a> {
    pub(super) publication: &'a Publication<'a>,
    pub(super) board: &'a Board<'a>,
    pub(super) source: &'a dyn BlobSource,
    pub(super) cancel: &'a CancelToken,
    /// The command that goes on where this one stops.
    pub(super) continuation: &'a str,
}

impl Publishing<'_> {
    /// Sends the blobs while `prove` looks at the image. Nothing is called by a name yet.
    ///
    /// # Errors
    /// What stopped first: what `prove` says, or what the transfer says.
    pub(super) fn send_while<T: Send>(
        &self,
        tree: &ImageNode,
        prove: impl FnOnce(&CancelToken) -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        let looking = self.cancel.child();
        let (proof, sent) = std::thread::scope(|scope| {
            let proving = scope.spawn(|| {
                let proof = prove(&looking);
                if proof.is_err() {
                    // What is not as promised need not be sent to its end.
                    self.cancel.cancel();
                }
                proof
            });
            let sent = self.publication.blobs(self.source, tree);
            // Of what is damaged here the proof says all.
            let is_damage =
                |error: &PublishError| matches!(error, PublishError::Push(PushError::Damaged { .. }));
            if sent.as_ref().is_err_and(|error| !is_damage(error)) {
                looking.cancel();
            }
            let proof = proving
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (proof, sent)
        });
        match (proof, sent) {
            // Each stops the other: what was not stopped is the cause.
            (Err(Failure::Cancelled) | Ok(_), Err(error)) => Err(self.failed(error)),
            (Err(failure), _) => Err(failure),
            (Ok(proof), Ok(())) => Ok(proof),
        }
    }

    /// Publishes the documents of a proved image whose blobs are there, and moves its tags.
    ///
    /// # Errors
    /// When the registry refuses, or could not be reached; the error says which tags moved.
    pub(super) fn finish(&self, progress: &Progress, proved: &Proved) -> Result<Published, Failure> {
        let failed = |error| self.failed(error);
        let documents = self.publication.documents(proved);
        documents.map_err(failed)?;
        let sent = self.board.finish(StepOutcome::Done);
        let names = activity(progress, "moving the tags", || {
            self.publication.tags(proved).map_err(failed)
        })?;
        let names = names.into_iter().map(|(name, outcome)| PublishedName {
            name: name.to_string(),
            outcome: match outcome {
                TagOutcome::Moved => "moved",
                TagOutcome::Already => "unchanged",
            },
        });
        Ok(Published {
            digest: proved.tree().descriptor().digest.to_string(),
            media_type: proved.tree().descriptor().media_type.to_string(),
            repositories: self.publication.places(),
            names: names.collect(),
            sent,
        })
    }

    /// Ends the activity, whichever way it came to its end.
    pub(super) fn end<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        match &result {
            Ok(_) => {}
            Err(Failure::Cancelled) => drop(self.board.finish(StepOutcome::Cancelled)),
            Err(error) => drop(self.board.finish(StepOutcome::Failed {
                reason: error.to_string(),
            })),
        }
        result
    }

    /// Returns why nothing was begun: there is nothing to go on with, unless the registry may be there the next time.
    pub(super) fn failed_before_all(&self, error: PublishError) -> Failure {
        match error {
            PublishError::Push(error) if error.can_go_on() => self.failed(error.into()),
            PublishError::Push(PushError::Registry(error)) => Failure::registry(*error),
            error => self.failed(error),
        }
    }

    pub(super) fn failed(&self, error: PublishError) -> Failure {
        Failure::publish(error, self.continuation)
    }
}

/// What a publication came to.
#[derive(Debug, Serialize)]
pub(super) struct Published {
    pub(super) digest: String,
    pub(super) media_type: String,
    pub(super) repositories: Vec<String>,
    pub(super) names: Vec<PublishedName>,
    /// What was sent, and what was not.
    pub(super) sent: Sent,
}

/// A name, and whether it had to be moved.
#[derive(Debug, Serialize)]
pub(super) struct PublishedName {
    pub(super) name: String,
    pub(super) outcome: &'static str,
}

impl Published {
    /// Says it in lines, for people.
    pub(super) fn in_words(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .names
            .iter()
            .map(|name| match name.outcome {
                "moved" => name.name.clone(),
                _ => format!("{} (unchanged: it named this image already)", name.name),
            })
            .collect();
        if lines.is_empty() {
            lines.extend(self.by_digest());
        }
        lines.push(self.sent.in_words());
        lines
    }

    /// Returns the image's names by digest, one a repository.
    fn by_digest(&self) -> Vec<String> {
        let places = self.repositories.iter();
        places.map(|place| format!("{place}@{}", self.digest)).collect()
    }

    /// Tells people what was published, and programs the image's names by digest, one a line.
    pub(super) fn show(&self, mode: ProgressMode) -> Result<(), Failure> {
        let is_silent = matches!(
            mode,
            ProgressMode::Quiet | ProgressMode::None | ProgressMode::Rawjson
        );
        for line in self.in_words().iter().filter(|_| !is_silent) {
            say(&format!("pushed    {line}"));
        }
        print(&(self.by_digest().join("\n") + "\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::RetryArguments;

    #[test]
    fn the_command_that_goes_on_can_be_pasted() {
        let names = [
            "h.example/a:1".parse().unwrap(),
            "b".parse::<Reference>().unwrap().with_tag("2").unwrap(),
        ];
        let publish = PublishArguments {
            force: true,
            chunk_size: Some("4m".to_owned()),
            parallel: None,
        };
        let registries = RegistryArguments {
            registry_ca: vec!["my ca.pem".into()],
            insecure_registry: vec!["h.example".to_owned()],
            retry: RetryArguments {
                retries: Some(5),
                retry_wait: Some(0.5),
            },
        };
        let continuation = Continuation {
            image: "sha256:ab",
            names: &names,
            tagging: Tagging::Names,
            allow: &["/lib/**".to_owned()],
            publish: &publish,
            registries: &registries,
            store: Some(Path::new("it's/s")),
            configuration: &Configuration::default(),
            directory: Path::new("/w"),
        };
        let text = continuation.command();
        assert_eq!(
            text,
            "lrops push sha256:ab --tag h.example/a:1 --tag b:2 --force --allow '/lib/**' --chunk-size 4m --retries 5 --retry-wait 0.5 \
             --store '/w/it'\\''s/s' --registry-ca '/w/my ca.pem' --insecure-registry h.example"
        );
    }

    #[test]
    fn a_chunk_is_neither_nothing_nor_nonsense() {
        let settings = |text: &str| {
            let arguments = PublishArguments {
                chunk_size: Some(text.to_owned()),
                ..PublishArguments::default()
            };
            push_settings(&arguments, &Configuration::default()).map(|settings| settings.chunk_size)
        };
        assert_eq!(settings("8m").unwrap(), 8 * 1024 * 1024);
        assert!(settings("1").is_err() && settings("much").is_err());
    }
}
