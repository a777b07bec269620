//! Users and groups of a root file system: what `USER` and `--chown` name.
//!
//! The rules are those of Docker and runc (`user(1)[:group(1)]`, each a name or a number); `/etc/passwd` and
//! `/etc/group` are read inside the root and never through a link out of it.

use std::io;
use std::path::{Path, PathBuf};

use crate::inside::RootDirectory;
use crate::run::UserSpec;

/// How large `/etc/passwd` or `/etc/group` may be.
const ACCOUNTS_SIZE_BYTES_MAX: u64 = 16 << 20;

/// A user as a command shall have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedUser {
    /// The ids.
    pub ids: UserSpec,
    /// The home directory, where `/etc/passwd` names one.
    pub home: Option<String>,
}

/// A line of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// The user's id.
    pub uid: u32,
    /// The user's first group.
    pub gid: u32,
    /// The home directory.
    pub home: String,
}

/// A line of `/etc/group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's name.
    pub name: String,
    /// The group's id.
    pub gid: u32,
    /// The names of the users that are in it besides those whose first group it is.
    pub members: Vec<String>,
}

/// The users and groups that a root file system knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// The users, in the file's order.
    pub users: Vec<Account>,
    /// The groups, in the file's order.
    pub groups: Vec<Group>,
}

/// A user that could not be found.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The files could not be read.
    #[error("failed to read {path} of the image", path = path.display())]
    Read {
        /// The file, as the image sees it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The name is in no file.
    #[error("the image has no user {name:?}: /etc/passwd does not name it (a number needs no entry)")]
    NoUser {
        /// What was asked for.
        name: String,
    },
    /// The group's name is in no file.
    #[error("the image has no group {name:?}: /etc/group does not name it (a number needs no entry)")]
    NoGroup {
        /// What was asked for.
        name: String,
    },
}

/// Returns the ids of `user`, `user:group`, `uid` or `uid:gid` in the root file system at `root`.
///
/// # Errors
/// When a name is not known there, or the files cannot be read.
pub fn resolve(root: &Path, user: &str) -> Result<ResolvedUser, UserError> {
    Accounts::read(root)?.resolve(user)
}

impl Accounts {
    /// Reads `/etc/passwd` and `/etc/group` below `root`; a file that is not there knows nobody.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn read(root: &Path) -> Result<Self, UserError> {
        let fail = |path: &str, source| UserError::Read {
            path: path.into(),
            source,
        };
        let directory = RootDirectory::open(root).map_err(|source| fail("/", source))?;
        let read = |path: &str| {
            let bytes = directory.read_file(Path::new(path), ACCOUNTS_SIZE_BYTES_MAX);
            bytes
                .map(|bytes| String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
                .map_err(|source| fail(path, source))
        };
        Ok(Self::parse(&read("/etc/passwd")?, &read("/etc/group")?))
    }

    /// Parses the two files; a line that is no entry is passed over, as the C library does.
    pub fn parse(passwd: &str, group: &str) -> Self {
        let users = passwd.lines().filter_map(parse_account).collect();
        let groups = group.lines().filter_map(parse_group).collect();
        Self { users, groups }
    }

    /// Returns the user of a name or a number.
    pub fn user(&self, name_or_id: &str) -> Option<&Account> {
        match name_or_id.parse::<u32>() {
            Ok(uid) => self.users.iter().find(|account| account.uid == uid),
            Err(_) => self.users.iter().find(|account| account.name == name_or_id),
        }
    }

    /// Returns the id of a group's name or number; a number needs no entry.
    ///
    /// # Errors
    /// When the name is not known.
    pub fn group_id(&self, name_or_id: &str) -> Result<u32, UserError> {
        if let Ok(gid) = name_or_id.parse() {
            return Ok(gid);
        }
        let found = self.groups.iter().find(|group| group.name == name_or_id);
        found.map(|group| group.gid).ok_or_else(|| UserError::NoGroup {
            name: name_or_id.to_owned(),
        })
    }

    /// Returns the ids that a command of this user has.
    ///
    /// A number that no entry has gets the group 0. A group that is named replaces the first group, and then the user
    /// is in no other: runc's rule.
    ///
    /// # Errors
    /// When a name is not known.
    pub fn resolve(&self, user: &str) -> Result<ResolvedUser, UserError> {
        let (name, group) = user
            .split_once(':')
            .map_or((user, None), |(name, group)| (name, Some(group)));
        let name = if name.is_empty() { "0" } else { name };
        let account = self.user(name);
        let uid = match (account, name.parse()) {
            (Some(account), _) => account.uid,
            (None, Ok(uid)) => uid,
            (None, Err(_)) => {
                return Err(UserError::NoUser {
                    name: name.to_owned(),
                });
            }
        };
        let home = account
            .map(|account| account.home.clone())
            .filter(|home| !home.is_empty());
        let (gid, mut supplementary) = match group.filter(|group| !group.is_empty()) {
            Some(group) => (self.group_id(group)?, Vec::new()),
            None => (account.map_or(0, |account| account.gid), self.groups_of(account)),
        };
        // As BuildKit does: the first group is always among the others.
        if !supplementary.contains(&gid) {
            supplementary.insert(0, gid);
        }
        Ok(ResolvedUser {
            ids: UserSpec {
                uid,
                gid,
                supplementary,
            },
            home,
        })
    }

    fn groups_of(&self, account: Option<&Account>) -> Vec<u32> {
        let Some(account) = account else { return Vec::new() };
        let member = |group: &&Group| group.members.contains(&account.name);
        self.groups.iter().filter(member).map(|group| group.gid).collect()
    }
}

fn parse_account(line: &str) -> Option<Account> {
    let fields: Vec<&str> = line.trim().split(':').collect();
    let [name, _, uid, gid, ..] = fields[..] else {
        return None;
    };
    let home = fields.get(5).copied().unwrap_or_default();
    Some(Account {
        name: name.to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: home.to_owned(),
    })
}

fn parse_group(line: &str) -> Option<Group> {
    let fields: Vec<&str> = line.trim().split(':').collect();
    let [name, _, gid, ..] = fields[..] else {
        return None;
    };
    let members = fields.get(3).copied().unwrap_or_default();
    let members = members
        .split(',')
        .filter(|member| !member.is_empty())
        .map(str::to_owned)
        .collect();
    Some(Group {
        name: name.to_owned(),
        gid: gid.parse().ok()?,
        members,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1001::/home/ada:/bin/sh\nbroken\n";
    const GROUP: &str = "root:x:0:\nada:x:1001:\naudio:x:29:ada,bob\nstaff:x:50:ada\n";

    #[track_caller]
    fn check(user: &str, expected: &str) {
        let found = match Accounts::parse(PASSWD, GROUP).resolve(user) {
            Ok(ResolvedUser { ids, home }) => {
                format!(
                    "{}:{} {:?} {}",
                    ids.uid,
                    ids.gid,
                    ids.supplementary,
                    home.unwrap_or_default()
                )
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{user:?}");
    }

    #[test]
    fn a_name_or_a_number_finds_the_entry_and_its_groups() {
        check("ada", "1000:1001 [1001, 29, 50] /home/ada");
        check("1000", "1000:1001 [1001, 29, 50] /home/ada");
        check("", "0:0 [0] /root");
        check("root", "0:0 [0] /root");
    }

    #[test]
    fn a_number_needs_no_entry_and_a_name_does() {
        check("4711", "4711:0 [0] ");
        check("4711:12", "4711:12 [12] ");
        check(
            "eve",
            "the image has no user \"eve\": /etc/passwd does not name it (a number needs no entry)",
        );
        check(
            "ada:nope",
            "the image has no group \"nope\": /etc/group does not name it (a number needs no entry)",
        );
    }

    #[test]
    fn a_named_group_replaces_all_others() {
        check("ada:audio", "1000:29 [29] /home/ada");
        check("ada:7", "1000:7 [7] /home/ada");
        check(":audio", "0:29 [29] /root");
        check("ada:", "1000:1001 [1001, 29, 50] /home/ada");
    }
}
