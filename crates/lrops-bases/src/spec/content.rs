//! What a base holds besides its packages: users, directories, files, links.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// An absolute path in the image, kept without its leading `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImagePath(String);

impl ImagePath {
    /// Returns the path below the root, without a leading `/`.
    pub fn below_root(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ImagePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        if !text.starts_with('/') || parts.is_empty() || parts.iter().any(|part| matches!(*part, "." | ".."))
        {
            return Err(format!(
                "{text:?} is no path in the image: it must start with / and have no . or .. parts"
            ));
        }
        Ok(Self(parts.join("/")))
    }
}

impl From<ImagePath> for String {
    fn from(path: ImagePath) -> Self {
        path.to_string()
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

/// Permission bits, written as octal digits in a string: TOML would read a bare 755 as decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileMode(pub u32);

impl TryFrom<String> for FileMode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_prefix("0o").unwrap_or(&text);
        match u32::from_str_radix(digits, 8) {
            Ok(mode) if mode <= 0o7777 && !digits.starts_with('+') => Ok(Self(mode)),
            _ => Err(format!(
                "{text:?} is no file mode: write it in octal digits, such as \"0755\""
            )),
        }
    }
}

impl From<FileMode> for String {
    fn from(mode: FileMode) -> Self {
        format!("{:04o}", mode.0)
    }
}

/// A user of the base.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    /// The name.
    pub name: String,
    /// The id.
    pub uid: u32,
    /// The primary group's id; without it, the user's id. A group of the user's name is made when none has the id.
    #[serde(default)]
    pub gid: Option<u32>,
    /// The home directory, made and owned by the user; without it `/home/NAME`.
    #[serde(default)]
    pub home: Option<ImagePath>,
    /// The login shell; without it `/usr/sbin/nologin`.
    #[serde(default)]
    pub shell: Option<String>,
    /// Further groups, by name.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// A group of the base.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSpec {
    /// The name.
    pub name: String,
    /// The id.
    pub gid: u32,
}

/// A directory of the base.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DirectorySpec {
    /// Where.
    pub path: ImagePath,
    /// Its mode; without it 0755.
    #[serde(default)]
    pub mode: Option<FileMode>,
    /// Its owner, `USER[:GROUP]` by name or id; without it root.
    #[serde(default)]
    pub owner: Option<String>,
}

/// A file of the base.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "WrittenFile")]
pub struct FileSpec {
    /// Where.
    pub path: ImagePath,
    /// What it holds.
    pub content: FileContent,
    /// Its mode; without it 0644.
    pub mode: Option<FileMode>,
    /// Its owner, `USER[:GROUP]` by name or id; without it root.
    pub owner: Option<String>,
}

/// What a file of the base holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum FileContent {
    /// This text.
    Text(String),
    /// What a file beside the configuration file holds.
    Source(PathBuf),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    path: ImagePath,
    content: Option<String>,
    source: Option<PathBuf>,
    mode: Option<FileMode>,
    owner: Option<String>,
}

impl TryFrom<WrittenFile> for FileSpec {
    type Error = String;

    fn try_from(file: WrittenFile) -> Result<Self, String> {
        let content = match (file.content, file.source) {
            (Some(text), None) => FileContent::Text(text),
            (None, Some(source)) => FileContent::Source(source),
            _ => return Err(format!("the file {} needs either content or source", file.path)),
        };
        Ok(Self {
            path: file.path,
            content,
            mode: file.mode,
            owner: file.owner,
        })
    }
}
