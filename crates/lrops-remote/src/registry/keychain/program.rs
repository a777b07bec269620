//! Credential helpers: the programs `docker-credential-NAME`, and the only place of this crate that starts processes.
//!
//! Rules: docker-credential-helpers' protocol. `get` takes the registry's name on standard input and answers with JSON;
//! `store` takes JSON, `erase` the name; words about a failure are on standard output.
//!
//! A helper runs in a process group of its own, so that it goes with all that it started when its time is over.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lrops_model::cancel::{CancelToken, Cancelled};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use serde_json::json;

use super::{Credentials, server_of};

/// How credential helpers are run.
#[derive(Clone, Debug)]
pub struct HelperSettings {
    /// How long one may take. Some ask a person for a passphrase.
    pub time_limit: Duration,
    /// Where programs are looked for, as in `PATH`; without it, where this process looks.
    pub search_path: Option<OsString>,
}

impl HelperSettings {
    /// Fits most helpers.
    pub const USUAL: Self = Self {
        time_limit: Duration::from_secs(30),
        search_path: None,
    };
}

/// A credential helper that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("the credential helper {program} failed to {act} the credentials for {registry}", act = said(*act))]
pub struct HelperError {
    /// The program.
    pub program: String,
    /// What it was asked.
    pub act: HelperAct,
    /// For which registry.
    pub registry: String,
    /// What went wrong.
    #[source]
    pub problem: HelperProblem,
}

/// What a helper is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelperAct {
    /// To say the credentials.
    Get,
    /// To keep them.
    Store,
    /// To forget them.
    Erase,
}

/// What went wrong with a helper.
#[derive(Debug, thiserror::Error)]
pub enum HelperProblem {
    /// A helper's name is a name and no path.
    #[error("its name is not that of a program docker-credential-NAME")]
    Name,
    /// There is no such program.
    #[error("there is no such program on PATH")]
    Missing,
    /// It could not be started or talked to.
    #[error("it could not be run")]
    Run(#[source] io::Error),
    /// It said that it failed.
    #[error("it ended with {status}{}", words.as_ref().map(|words| format!(": {words}")).unwrap_or_default())]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// Its own words.
        words: Option<String>,
    },
    /// It took too long.
    #[error("it took longer than {} seconds and was stopped", .0.as_secs_f32())]
    TimeOut(Duration),
    /// It said more than any helper has to say.
    #[error("its answer is longer than {ANSWER_SIZE_BYTES_MAX} bytes")]
    TooLong,
    /// Its answer is none.
    #[error("its answer holds no credentials as helpers give them")]
    Answer,
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Tokens of cloud providers have a few kilobytes.
const ANSWER_SIZE_BYTES_MAX: u64 = 256 * 1024;

/// What helpers say when they have nothing, which is no failure.
const NOTHING: &str = "credentials not found in native keychain";

const WORDS_SHOWN_CHARACTERS_MAX: usize = 200;

fn said(act: HelperAct) -> &'static str {
    match act {
        HelperAct::Get => "get",
        HelperAct::Store => "store",
        HelperAct::Erase => "erase",
    }
}

impl HelperError {
    /// Returns what the user can do about it.
    pub fn advice(&self) -> String {
        let (program, registry) = (&self.program, &self.registry);
        match self.problem {
            HelperProblem::Missing => format!(
                "install {program}, or remove it from credHelpers and credsStore in the file with the credentials"
            ),
            HelperProblem::Name => {
                "correct credHelpers and credsStore in the file with the credentials".to_owned()
            }
            _ => format!(
                "see what `echo {} | {program} get` says; without the helper, remove it from credHelpers and credsStore \
                 in the file with the credentials, and lrops login {registry}",
                server_of(registry)
            ),
        }
    }
}

/// Asks for a registry's credentials; none is an answer, too.
pub(super) fn get(
    name: &str,
    registry: &str,
    settings: &HelperSettings,
    cancel: &CancelToken,
) -> Result<Option<Credentials>, HelperError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        #[serde(default)]
        username: String,
        secret: String,
    }
    let call = Call {
        name,
        act: HelperAct::Get,
        registry,
    };
    let output = call.run(server_of(registry).as_bytes(), settings, cancel)?;
    if !output.status.success() {
        return if output.standard.trim_ascii() == NOTHING.as_bytes() {
            Ok(None)
        } else {
            Err(call.failed(output.problem()))
        };
    }
    // The parser's own words could repeat the secret.
    let answer: Answer =
        serde_json::from_slice(&output.standard).map_err(|_| call.failed(HelperProblem::Answer))?;
    if answer.username.is_empty() || answer.secret.is_empty() {
        return Ok(None);
    }
    Ok(Some(Credentials::of(answer.username, answer.secret)))
}

/// Has a registry's credentials kept.
pub(super) fn store(
    name: &str,
    registry: &str,
    (user, password): (&str, &str),
    settings: &HelperSettings,
    cancel: &CancelToken,
) -> Result<(), HelperError> {
    let call = Call {
        name,
        act: HelperAct::Store,
        registry,
    };
    let input = json!({"ServerURL": server_of(registry), "Username": user, "Secret": password}).to_string();
    let output = call.run(input.as_bytes(), settings, cancel)?;
    if output.status.success() {
        Ok(())
    } else {
        Err(call.failed(output.problem()))
    }
}

/// Has a registry's credentials forgotten; returns whether there were any.
pub(super) fn erase(
    name: &str,
    registry: &str,
    settings: &HelperSettings,
    cancel: &CancelToken,
) -> Result<bool, HelperError> {
    let call = Call {
        name,
        act: HelperAct::Erase,
        registry,
    };
    let output = call.run(server_of(registry).as_bytes(), settings, cancel)?;
    if output.status.success() {
        Ok(true)
    } else if output.standard.trim_ascii() == NOTHING.as_bytes() {
        Ok(false)
    } else {
        Err(call.failed(output.problem()))
    }
}

/// One question to one helper.
struct Call<'a> {
    name: &'a str,
    act: HelperAct,
    registry: &'a str,
}

struct Output {
    status: ExitStatus,
    standard: Vec<u8>,
    error: Vec<u8>,
}

impl Output {
    /// Takes the words from where helpers put them; what looks like an answer is not repeated, since it holds a secret.
    fn problem(&self) -> HelperProblem {
        let words = [&self.standard, &self.error]
            .into_iter()
            .map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned())
            .find(|text| !text.is_empty() && !text.starts_with('{'));
        let words = words.map(|text| {
            let shown = text
                .chars()
                .map(|character| if character.is_control() { ' ' } else { character });
            shown.take(WORDS_SHOWN_CHARACTERS_MAX).collect()
        });
        HelperProblem::Failed {
            status: self.status,
            words,
        }
    }
}

impl Call<'_> {
    fn program(&self) -> String {
        format!("docker-credential-{}", self.name)
    }

    fn failed(&self, problem: HelperProblem) -> HelperError {
        HelperError {
            program: self.program(),
            act: self.act,
            registry: self.registry.to_owned(),
            problem,
        }
    }

    fn run(
        &self,
        input: &[u8],
        settings: &HelperSettings,
        cancel: &CancelToken,
    ) -> Result<Output, HelperError> {
        self.start(settings)
            .and_then(|child| converse(child, input, settings.time_limit, cancel))
            .map_err(|problem| self.failed(problem))
    }

    fn start(&self, settings: &HelperSettings) -> Result<Child, HelperProblem> {
        if self.name.is_empty() || self.name.contains(['/', '\0']) {
            return Err(HelperProblem::Name);
        }
        let mut command = Command::new(self.program());
        command
            .arg(said(self.act))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(path) = &settings.search_path {
            command.env("PATH", path);
        }
        command.spawn().map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => HelperProblem::Missing,
            _ => HelperProblem::Run(cause),
        })
    }
}

/// How often the helper is looked at.
const STEP: Duration = Duration::from_millis(5);

/// Gives the input, and waits for the end of the program and of its output.
fn converse(
    mut child: Child,
    input: &[u8],
    time_limit: Duration,
    cancel: &CancelToken,
) -> Result<Output, HelperProblem> {
    let started = Instant::now();
    let standard = child.stdout.take().map(reading);
    let error = child.stderr.take().map(reading);
    let writing = child.stdin.take().map(|mut pipe| {
        let input = input.to_vec();
        // A helper that reads nothing has decided without it.
        std::thread::spawn(move || pipe.write_all(&input).is_ok())
    });
    loop {
        let is_read = [&standard, &error]
            .into_iter()
            .all(|reading| reading.as_ref().is_none_or(JoinHandle::is_finished));
        let ended = match child.try_wait() {
            Ok(Some(status)) if is_read => Ok(status),
            Ok(_) if started.elapsed() >= time_limit => Err(HelperProblem::TimeOut(time_limit)),
            Ok(_) => match cancel.check() {
                Ok(()) => {
                    std::thread::sleep(STEP);
                    continue;
                }
                Err(cancelled) => Err(cancelled.into()),
            },
            Err(cause) => Err(HelperProblem::Run(cause)),
        };
        let status = match ended {
            Ok(status) => status,
            Err(problem) => {
                stop(&mut child);
                return Err(problem);
            }
        };
        drop(writing);
        return Ok(Output {
            status,
            standard: read_by(standard)?,
            error: read_by(error)?,
        });
    }
}

fn stop(child: &mut Child) {
    // The group outlives its first process: what that has started is stopped, too, and the number is not yet another's
    // while any of them is there.
    if let Ok(id) = i32::try_from(child.id())
        && let Some(group) = Pid::from_raw(id)
    {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

fn reading(pipe: impl Read + Send + 'static) -> JoinHandle<io::Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.take(ANSWER_SIZE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    })
}

fn read_by(reading: Option<JoinHandle<io::Result<Vec<u8>>>>) -> Result<Vec<u8>, HelperProblem> {
    let Some(reading) = reading else {
        return Ok(Vec::new());
    };
    let bytes = match reading.join() {
        Ok(result) => result.map_err(HelperProblem::Run)?,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    if bytes.len() as u64 > ANSWER_SIZE_BYTES_MAX {
        return Err(HelperProblem::TooLong);
    }
    Ok(bytes)
}
