//! What `[bases.NAME]` says.

mod content;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use content::{DirectorySpec, FileContent, FileMode, FileSpec, GroupSpec, ImagePath, UserSpec};

/// A base as the configuration file describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BaseSpec {
    /// Whose packages.
    pub distribution: Distribution,
    /// The suite's code name or name, such as `trixie` or `stable`; for Alpine the branch, such as `v3.20` or `edge`.
    #[serde(alias = "branch")]
    pub suite: String,
    /// The archive's areas to take packages from; Alpine's repositories.
    #[serde(default = "main_component", alias = "repositories")]
    pub components: Vec<String>,
    /// Suites to look into besides, such as `trixie-backports` or `trixie-security`.
    #[serde(default)]
    pub extra_suites: Vec<ExtraSuite>,
    /// The wanted packages: `NAME`, `NAME=VERSION`, or `NAME/SUITE`; for Alpine as in `/etc/apk/world`, with `@SUITE`.
    /// Their dependencies come along.
    pub packages: Vec<String>,
    /// Packages that are left out although others depend on them. Debian's `debconf` always is, unless it is in
    /// `packages`.
    #[serde(default)]
    pub exclude_packages: Vec<String>,
    /// The address of the archive; without it the machine's own package sources are used. `{snapshot}` in it stands
    /// for the `snapshot` below.
    #[serde(default)]
    pub mirror: Option<String>,
    /// The file of public keys that may sign the archive; for Alpine also a directory of them.
    #[serde(default, alias = "keys")]
    pub keyring: Option<PathBuf>,
    /// The point in time of a snapshot archive, such as `20250520T000000Z`. Signatures and dates are checked against it.
    #[serde(default)]
    pub snapshot: Option<String>,
    /// Whether an index past its `Valid-Until` is refused.
    #[serde(default = "yes")]
    pub check_valid_until: bool,
    /// Users to add.
    #[serde(default)]
    pub users: Vec<UserSpec>,
    /// Groups to add.
    #[serde(default)]
    pub groups: Vec<GroupSpec>,
    /// Directories to make, or to give another mode or owner.
    #[serde(default)]
    pub directories: Vec<DirectorySpec>,
    /// Files to write.
    #[serde(default)]
    pub files: Vec<FileSpec>,
    /// Symbolic links: path to target.
    #[serde(default)]
    pub links: BTreeMap<ImagePath, String>,
    /// Files of packages that are left out, as patterns with `*`, `?` and `**`; without it [`DEFAULT_EXCLUDE`].
    #[serde(default)]
    pub exclude: Option<Vec<String>>,
    /// Files that stay although `exclude` matches; without it [`DEFAULT_INCLUDE`].
    #[serde(default)]
    pub include: Option<Vec<String>>,
    /// Environment variables of the image.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The image's default command.
    #[serde(default)]
    pub command: Option<Vec<String>>,
    /// The image's working directory.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// The image's user.
    #[serde(default)]
    pub user: Option<String>,
}

/// What images do without: documentation, manual pages, translations. What Debian's own slim images leave out.
pub(crate) const DEFAULT_EXCLUDE: [&str; 7] = [
    "/usr/share/doc/**",
    "/usr/share/groff/**",
    "/usr/share/info/**",
    "/usr/share/linda/**",
    "/usr/share/lintian/**",
    "/usr/share/locale/**",
    "/usr/share/man/**",
];

/// Licences must stay with what they license.
pub(crate) const DEFAULT_INCLUDE: [&str; 1] = ["/usr/share/doc/*/copyright"];

/// A packages-based distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// Debian.
    Debian,
    /// Alpine.
    Alpine,
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debian => "debian",
            Self::Alpine => "alpine",
        })
    }
}

/// A further suite, by name or with its own archive.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "expected a suite's name, or a table with suite, mirror, components, keyring, optional"
)]
pub enum ExtraSuite {
    /// A suite of the same archive, or of the machine's source that has it.
    Name(String),
    /// A suite with details.
    Table(ExtraSuiteTable),
}

/// A further suite in full.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraSuiteTable {
    /// The suite.
    pub suite: String,
    /// Its archive's address.
    #[serde(default)]
    pub mirror: Option<String>,
    /// Its areas; without them, those of the base.
    #[serde(default)]
    pub components: Option<Vec<String>>,
    /// Its keys.
    #[serde(default)]
    pub keyring: Option<PathBuf>,
    /// Whether the base is made without it, with a finding, when the mirror does not serve it soundly.
    #[serde(default)]
    pub optional: bool,
}

impl ExtraSuite {
    /// Returns the suite in full.
    pub fn to_table(&self) -> ExtraSuiteTable {
        match self {
            Self::Table(table) => table.clone(),
            Self::Name(suite) => ExtraSuiteTable {
                suite: suite.clone(),
                mirror: None,
                components: None,
                keyring: None,
                optional: false,
            },
        }
    }
}

fn main_component() -> Vec<String> {
    vec!["main".to_owned()]
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect! gives a value")]
    #[track_caller]
    fn check_error(text: &str, expected: Expect) {
        let error = toml::from_str::<BaseSpec>(text).unwrap_err();
        expected.assert_eq(error.message());
    }

    const HEAD: &str = "distribution = 'debian'\nsuite = 'trixie'\npackages = ['libc6']\n";

    #[test]
    fn a_short_section_is_enough() {
        let spec: BaseSpec = toml::from_str(HEAD).unwrap();
        assert_eq!(spec.components, ["main"]);
        assert!(spec.check_valid_until);
    }

    #[test]
    fn a_full_section_is_read() {
        let text = format!(
            "{HEAD}
            extra_suites = ['trixie-backports', {{ suite = 'trixie-security', optional = true }}]
            users = [{{ name = 'app', uid = 1000 }}]
            groups = [{{ name = 'data', gid = 2000 }}]
            directories = [{{ path = '/data', mode = '0750', owner = 'app:data' }}]
            files = [{{ path = '/etc/motd', content = 'hello' }}, {{ path = '/x', source = 'x.txt' }}]
            links = {{ '/usr/bin/go' = '../lib/go-1.24/bin/go' }}
            env = {{ LANG = 'C.UTF-8' }}
            command = ['sh']"
        );
        let spec: BaseSpec = toml::from_str(&text).unwrap();
        assert_eq!(spec.directories[0].mode, Some(FileMode(0o750)));
        assert_eq!(spec.files[1].content, FileContent::Source("x.txt".into()));
        assert!(spec.extra_suites[1].to_table().optional);
    }

    #[test]
    fn mistakes_are_named() {
        check_error(
            &format!("{HEAD}package = []"),
            expect![
                "unknown field `package`, expected one of `distribution`, `branch`, `suite`, `components`, `repositories`, `extra_suites`, `packages`, `exclude_packages`, `mirror`, `keyring`, `keys`, `snapshot`, `check_valid_until`, `users`, `groups`, `directories`, `files`, `links`, `exclude`, `include`, `env`, `command`, `working_dir`, `user`"
            ],
        );
        check_error(
            "distribution = 'fedora'\nsuite = ''\npackages = []",
            expect!["unknown variant `fedora`, expected `debian` or `alpine`"],
        );
        check_error(
            &format!("{HEAD}links = {{ 'usr/bin/go' = 'x' }}"),
            expect![[
                r#""usr/bin/go" is no path in the image: it must start with / and have no . or .. parts"#
            ]],
        );
        check_error(
            &format!("{HEAD}files = [{{ path = '/x', content = '', source = 'y' }}]"),
            expect!["the file /x needs either content or source"],
        );
        check_error(
            &format!("{HEAD}directories = [{{ path = '/x', mode = '999' }}]"),
            expect![[r#""999" is no file mode: write it in octal digits, such as "0755""#]],
        );
        check_error(
            &format!("{HEAD}directories = [{{ path = '/x', mode = 755 }}]"),
            expect!["invalid type: integer `755`, expected a string"],
        );
        check_error(
            &format!("{HEAD}extra_suites = [1]"),
            expect!["expected a suite's name, or a table with suite, mirror, components, keyring, optional"],
        );
    }
}
