//! Who installs a package's dependencies: npm, pnpm or Yarn, of which version.

use serde_json::Value;

use super::super::files::{Files, joined};

/// A package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Npm,
    Pnpm,
    /// Yarn 1.
    YarnClassic,
    /// Yarn from 2 on, which is another program.
    Yarn,
}

/// A package manager, and what it is told with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Installer {
    pub(crate) tool: Tool,
    /// What npm installs it as; npm itself is there.
    pub(crate) package: Option<String>,
    /// The lock file.
    pub(crate) lock: Option<&'static str>,
}

/// Lock files, the most telling first.
const LOCKS: [(&str, Tool); 4] = [
    ("pnpm-lock.yaml", Tool::Pnpm),
    ("yarn.lock", Tool::Yarn),
    ("package-lock.json", Tool::Npm),
    ("npm-shrinkwrap.json", Tool::Npm),
];

impl Installer {
    pub(super) fn find(files: &Files, directory: &str, package: &Value) -> Self {
        let text = |name: &str| files.text(&joined(directory, name)?);
        let wished = package["packageManager"]
            .as_str()
            .and_then(|wish| wish.split_once('@'));
        let wished_tool = wished.and_then(|(name, version)| match name {
            "npm" => Some(Tool::Npm),
            "pnpm" => Some(Tool::Pnpm),
            "yarn" if version.starts_with("1.") => Some(Tool::YarnClassic),
            "yarn" => Some(Tool::Yarn),
            _ => None,
        });
        let found = LOCKS.into_iter().find(|(name, tool)| {
            text(name).is_some() && wished_tool.is_none_or(|wished| wished.has_lock_of(*tool))
        });
        let lock = found.map(|(name, _)| name);
        let content = lock.and_then(text).unwrap_or_default();
        let tool = match (wished_tool, found) {
            (None, Some((_, Tool::Yarn))) if !content.contains("__metadata:") => Tool::YarnClassic,
            (Some(tool), _) | (None, Some((_, tool))) => tool,
            (None, None) => Tool::Npm,
        };
        // A hash may follow the version; only Corepack knows what to do with it.
        let version = wished.map(|(_, version)| version.split('+').next().unwrap_or(version));
        Self {
            tool,
            package: tool.package(version.unwrap_or_else(|| tool.usual_version(content))),
            lock,
        }
    }

    /// Returns the command that installs exactly what the lock file says.
    pub(crate) fn install(&self) -> &'static str {
        match (self.tool, self.lock) {
            (Tool::Npm, Some(_)) => "npm ci",
            (Tool::Npm, None) => "npm install",
            (Tool::Pnpm, Some(_)) => "pnpm install --frozen-lockfile",
            (Tool::Pnpm, None) => "pnpm install",
            (Tool::YarnClassic, Some(_)) => "yarn install --frozen-lockfile",
            (Tool::Yarn, Some(_)) => "yarn install --immutable",
            (Tool::YarnClassic | Tool::Yarn, None) => "yarn install",
        }
    }

    /// Returns the command that installs only what a server needs.
    pub(crate) fn install_for_server(&self) -> String {
        match self.tool {
            Tool::Npm => format!("{} --omit=dev", self.install()),
            Tool::Pnpm => format!("{} --prod", self.install()),
            Tool::YarnClassic => format!("{} --production", self.install()),
            Tool::Yarn => "yarn workspaces focus --production".to_owned(),
        }
    }

    /// Returns the command that runs the script `build`.
    pub(crate) fn build(&self) -> &'static str {
        match self.tool {
            Tool::Npm => "npm run build",
            Tool::Pnpm => "pnpm run build",
            Tool::YarnClassic | Tool::Yarn => "yarn run build",
        }
    }

    /// Returns the setting that says where downloads are kept.
    pub(crate) fn cache_setting(&self) -> &'static str {
        match self.tool {
            Tool::Npm => "NPM_CONFIG_CACHE",
            Tool::Pnpm => "NPM_CONFIG_STORE_DIR",
            Tool::YarnClassic => "YARN_CACHE_FOLDER",
            Tool::Yarn => "YARN_GLOBAL_FOLDER",
        }
    }
}

impl Tool {
    /// Returns the tool's name as people know it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::YarnClassic | Self::Yarn => "Yarn",
        }
    }

    /// Both generations of Yarn call their lock file the same.
    fn has_lock_of(self, other: Self) -> bool {
        let family = |tool| {
            if tool == Self::YarnClassic {
                Self::Yarn
            } else {
                tool
            }
        };
        family(self) == family(other)
    }

    fn package(self, version: &str) -> Option<String> {
        match self {
            Self::Npm => None,
            Self::Pnpm => Some(format!("pnpm@{version}")),
            Self::YarnClassic => Some(format!("yarn@{version}")),
            Self::Yarn => Some(format!("@yarnpkg/cli-dist@{version}")),
        }
    }

    /// Returns the version that reads such a lock file and runs on the Node.js of Debian.
    fn usual_version(self, lock: &str) -> &'static str {
        match self {
            Self::Pnpm if lock.contains("lockfileVersion: '6") => "8",
            Self::Pnpm => "10",
            Self::YarnClassic => "1",
            Self::Yarn => "4",
            Self::Npm => "",
        }
    }
}
