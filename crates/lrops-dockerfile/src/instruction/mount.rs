//! What `RUN --mount` asks for.

use thiserror::Error;

use super::go_values::{boolean, memory_size};
use super::mount_fields::MountField;
use super::suggestion::did_you_mean;
use crate::syntax::quoted;

const TYPES: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const SHARINGS: [&str; 3] = ["shared", "private", "locked"];
const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
    "env",
];

/// Something that a command sees at a path, and that is in no layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mount {
    /// Files of a context, stage or image.
    Bind(BindMount),
    /// A directory that outlives the build.
    Cache(CacheMount),
    /// An empty directory in memory.
    Tmpfs(TmpfsMount),
    /// A secret, as a file or a variable.
    Secret(SecretMount),
    /// The socket of an SSH agent.
    Ssh(SshMount),
}

/// `type=bind`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindMount {
    /// Where it is seen; relative to the working directory.
    pub target: String,
    /// The path in `from`; the root when empty.
    pub source: String,
    /// The stage, context or image; the build's context when none.
    pub from: Option<String>,
    /// Whether writing is refused; what is written otherwise is thrown away.
    pub read_only: bool,
}

/// `type=cache`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheMount {
    /// Where it is seen; relative to the working directory.
    pub target: String,
    /// What tells caches apart; the cleaned target when none.
    pub id: Option<String>,
    /// The path in `from` that a new cache starts with; the root when empty.
    pub source: String,
    /// What a new cache starts with; nothing when none.
    pub from: Option<String>,
    /// What happens when two commands want it at once.
    pub sharing: CacheSharing,
    /// Whether writing is refused.
    pub read_only: bool,
    /// The owner and mode of a new cache's directory.
    pub owner: FileOwner,
}

/// `type=tmpfs`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TmpfsMount {
    /// Where it is seen; relative to the working directory.
    pub target: String,
    /// The most bytes it holds; no limit when none.
    pub size: Option<u64>,
    /// Whether writing is refused.
    pub read_only: bool,
}

/// `type=secret`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretMount {
    /// The secret's name.
    pub id: String,
    /// The file that shows it, relative to the working directory; none when only a variable does.
    pub target: Option<String>,
    /// The variable that shows it.
    pub environment: Option<String>,
    /// Whether the build fails without it.
    pub required: bool,
    /// The owner and mode of the file; root and 0400 where not said.
    pub owner: FileOwner,
}

/// `type=ssh`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshMount {
    /// The agent's name, `default` when not said.
    pub id: String,
    /// The socket's path; the engine's choice when none.
    pub target: Option<String>,
    /// Whether the build fails without it.
    pub required: bool,
    /// The owner and mode of the socket; root and 0600 where not said.
    pub owner: FileOwner,
}

/// An owner and a mode, as far as they were said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileOwner {
    /// The user's number.
    pub user: Option<u32>,
    /// The group's number.
    pub group: Option<u32>,
    /// The mode's bits.
    pub mode: Option<u32>,
}

/// What happens when two commands want one cache at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheSharing {
    /// Both write to it.
    Shared,
    /// The second gets another one.
    Private,
    /// The second waits.
    Locked,
}

/// A mount that cannot be had.
#[derive(Debug, Error)]
pub enum ResolveMountError<E: std::error::Error + 'static> {
    /// A value cannot be expanded.
    #[error(transparent)]
    Expand(E),
    /// The fields make no mount.
    #[error(transparent)]
    Invalid(InvalidMount),
}

/// Fields that make no mount.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct InvalidMount {
    /// What is wrong.
    pub message: String,
    /// What may have been meant.
    pub advice: Option<String>,
}

impl InvalidMount {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            advice: None,
        }
    }
}

/// The fields gathered, before the type decides what they mean.
#[derive(Debug)]
struct Gathered {
    kind: &'static str,
    from: String,
    source: String,
    target: String,
    id: String,
    read_only: Option<bool>,
    size: u64,
    sharing: Option<CacheSharing>,
    required: bool,
    environment: Option<String>,
    owner: FileOwner,
}

impl Mount {
    /// Returns the mount that expanded fields make.
    pub(super) fn from_fields(fields: &[MountField]) -> Result<Self, InvalidMount> {
        let mut gathered = Gathered::new();
        for field in fields {
            match &field.value {
                Some(value) => gathered.set(field, value)?,
                None => gathered.set_switch(field)?,
            }
        }
        gathered.check()?;
        Ok(gathered.into_mount())
    }
}

impl Gathered {
    fn new() -> Self {
        Self {
            kind: "bind",
            from: String::new(),
            source: String::new(),
            target: String::new(),
            id: String::new(),
            read_only: None,
            size: 0,
            sharing: None,
            required: false,
            environment: None,
            owner: FileOwner::default(),
        }
    }

    fn set_switch(&mut self, field: &MountField) -> Result<(), InvalidMount> {
        match field.key.as_str() {
            "readonly" | "ro" => self.read_only = Some(true),
            "readwrite" | "rw" => self.read_only = Some(false),
            "required" => self.require(field, true)?,
            _ => {
                return Err(InvalidMount::new(format!(
                    "invalid field '{}' must be a key=value pair",
                    field.text
                )));
            }
        }
        Ok(())
    }

    fn set(&mut self, field: &MountField, value: &str) -> Result<(), InvalidMount> {
        let key = field.key.as_str();
        match key {
            "type" => self.kind = one_of(&TYPES, "mount type", value)?,
            "from" => value.clone_into(&mut self.from),
            "source" | "src" => value.clone_into(&mut self.source),
            "target" | "dst" | "destination" => value.clone_into(&mut self.target),
            "id" => value.clone_into(&mut self.id),
            "env" => self.environment = Some(value.to_owned()),
            "readonly" | "ro" => self.read_only = Some(truth(key, value)?),
            "readwrite" | "rw" => self.read_only = Some(!truth(key, value)?),
            "required" => {
                // The type is looked at first: for another type, any value is out of place.
                self.require(field, false)?;
                self.required = truth(key, value)?;
            }
            "size" => {
                self.only_for(field, &["tmpfs"])?;
                self.size = memory_size(value).ok_or_else(|| invalid_value(key, value))?;
            }
            "sharing" => {
                self.sharing = Some(match one_of(&SHARINGS, "sharing value", value)? {
                    "private" => CacheSharing::Private,
                    "locked" => CacheSharing::Locked,
                    _ => CacheSharing::Shared,
                });
            }
            "mode" => self.owner.mode = Some(number(key, value, 8)?),
            "uid" => self.owner.user = Some(number(key, value, 10)?),
            "gid" => self.owner.group = Some(number(key, value, 10)?),
            _ => {
                let message = format!("unexpected key '{key}' in '{}'", field.text);
                return Err(InvalidMount {
                    message,
                    advice: did_you_mean(key, &KEYS),
                });
            }
        }
        Ok(())
    }

    fn require(&mut self, field: &MountField, required: bool) -> Result<(), InvalidMount> {
        self.only_for(field, &["secret", "ssh"])?;
        self.required = required;
        Ok(())
    }

    /// Refuses a key that the type, as far as it is known at this field, does not have.
    fn only_for(&self, field: &MountField, kinds: &[&str]) -> Result<(), InvalidMount> {
        if kinds.contains(&self.kind) {
            return Ok(());
        }
        Err(InvalidMount::new(format!(
            "unexpected key '{}' for mount type '{}'",
            field.key, self.kind
        )))
    }

    /// Checks what only the whole tells.
    fn check(&self) -> Result<(), InvalidMount> {
        let owned = matches!(self.kind, "secret" | "ssh" | "cache");
        let FileOwner { user, group, mode } = self.owner;
        for (key, value) in [("mode", mode), ("uid", user), ("gid", group)] {
            if value.is_some() && !owned {
                let message = format!("{key} not allowed for {} type mounts", quoted(self.kind));
                return Err(InvalidMount::new(message));
            }
        }
        if self.kind == "secret" {
            self.check_secret()?;
        }
        if self.kind == "ssh" && !self.source.is_empty() {
            return Err(InvalidMount::new("ssh does not support source"));
        }
        if self.sharing.is_some() && self.kind != "cache" {
            return Err(InvalidMount::new(format!(
                "invalid cache sharing set for {} mount",
                self.kind
            )));
        }
        Ok(())
    }

    fn check_secret(&self) -> Result<(), InvalidMount> {
        let problem = if !self.from.is_empty() {
            "secret mount should not have a from"
        } else if self.sharing.is_some() {
            "secret mount should not define sharing"
        } else if self.source.is_empty() && self.target.is_empty() && self.id.is_empty() {
            "invalid secret mount. one of source, target required"
        } else if !self.source.is_empty() && !self.id.is_empty() {
            "both source and id can't be set"
        } else {
            return Ok(());
        };
        Err(InvalidMount::new(problem))
    }

    fn into_mount(self) -> Mount {
        let Self {
            target,
            source,
            owner,
            required,
            ..
        } = self;
        let given = |text: String| (!text.is_empty()).then_some(text);
        match self.kind {
            "cache" => Mount::Cache(CacheMount {
                target,
                id: given(self.id),
                source,
                from: given(self.from),
                sharing: self.sharing.unwrap_or(CacheSharing::Shared),
                read_only: self.read_only.unwrap_or(false),
                owner,
            }),
            "tmpfs" => Mount::Tmpfs(TmpfsMount {
                target,
                size: (self.size > 0).then_some(self.size),
                read_only: self.read_only.unwrap_or(false),
            }),
            "secret" => {
                let id = [source, self.id].into_iter().find_map(given);
                let id = id.unwrap_or_else(|| last_part(&target).to_owned());
                let file = || format!("/run/secrets/{}", last_part(&id));
                let target = given(target).or_else(|| self.environment.is_none().then(file));
                Mount::Secret(SecretMount {
                    id,
                    target,
                    environment: self.environment,
                    required,
                    owner,
                })
            }
            "ssh" => {
                let id = given(self.id).unwrap_or_else(|| "default".to_owned());
                Mount::Ssh(SshMount {
                    id,
                    target: given(target),
                    required,
                    owner,
                })
            }
            _ => Mount::Bind(BindMount {
                target,
                source,
                from: given(self.from),
                read_only: self.read_only.unwrap_or(true),
            }),
        }
    }
}

fn one_of(options: &[&'static str], what: &str, value: &str) -> Result<&'static str, InvalidMount> {
    let lower = value.to_lowercase();
    options
        .iter()
        .copied()
        .find(|option| *option == lower)
        .ok_or_else(|| InvalidMount {
            message: format!("unsupported {what} {}", quoted(value)),
            advice: did_you_mean(value, options),
        })
}

fn truth(key: &str, value: &str) -> Result<bool, InvalidMount> {
    boolean(value).ok_or_else(|| invalid_value(key, value))
}

fn number(key: &str, value: &str, radix: u32) -> Result<u32, InvalidMount> {
    // A sign is no digit here, although the standard library takes a plus.
    let digits = Some(value).filter(|value| !value.starts_with('+'));
    let number = digits.and_then(|digits| u32::from_str_radix(digits, radix).ok());
    number.ok_or_else(|| InvalidMount::new(format!("invalid value {value} for {key}")))
}

fn invalid_value(key: &str, value: &str) -> InvalidMount {
    InvalidMount::new(format!("invalid value for {key}: {value}"))
}

/// Returns the last part of a path.
fn last_part(path: &str) -> &str {
    path.trim_end_matches('/')
        .rsplit('/')
        .next()
        .filter(|part| !part.is_empty())
        .unwrap_or("/")
}
