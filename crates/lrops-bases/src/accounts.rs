//! Users and groups of a base: `/etc/passwd`, `/etc/group`, `/etc/shadow`.

use lrops_model::change::Owner;

use crate::spec::{GroupSpec, UserSpec};

/// The accounts of a base.
pub(crate) struct Accounts {
    users: Vec<User>,
    groups: Vec<Group>,
}

struct User {
    name: String,
    uid: u32,
    gid: u32,
    comment: String,
    home: String,
    shell: String,
}

struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

/// What a base without the package `base-passwd` has: the ids that Debian gives these names.
const USERS: &str =
    "root:*:0:0:root:/root:/bin/sh\nnobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const GROUPS: &str =
    "root:*:0:\nadm:*:4:\ntty:*:5:\nmail:*:8:\nshadow:*:42:\nutmp:*:43:\nstaff:*:50:\nnogroup:*:65534:\n";

impl Accounts {
    /// Parses the master files of `base-passwd`, or takes a few well-known accounts where there are none.
    pub(crate) fn new(passwd: Option<&str>, group: Option<&str>) -> Self {
        let users = passwd.unwrap_or(USERS).lines().filter_map(|line| {
            let [name, _, uid, gid, comment, home, shell] = fields(line)?;
            let (name, comment) = (name.to_owned(), comment.to_owned());
            let (home, shell) = (home.to_owned(), shell.to_owned());
            Some(User {
                name,
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
                comment,
                home,
                shell,
            })
        });
        let groups = group.unwrap_or(GROUPS).lines().filter_map(|line| {
            let [name, _, gid, members] = fields(line)?;
            let members = members
                .split(',')
                .filter(|member| !member.is_empty())
                .map(str::to_owned);
            Some(Group {
                name: name.to_owned(),
                gid: gid.parse().ok()?,
                members: members.collect(),
            })
        });
        Self {
            users: users.collect(),
            groups: groups.collect(),
        }
    }

    pub(crate) fn add_group(&mut self, group: &GroupSpec) -> Result<(), String> {
        check_name(&group.name)?;
        if self.groups.iter().any(|present| present.name == group.name) {
            return Err(format!("the group {} is there already", group.name));
        }
        self.groups.push(Group {
            name: group.name.clone(),
            gid: group.gid,
            members: Vec::new(),
        });
        Ok(())
    }

    /// Adds a user, and a group of its name when no group has its group id.
    pub(crate) fn add_user(&mut self, user: &UserSpec) -> Result<(), String> {
        check_name(&user.name)?;
        if self
            .users
            .iter()
            .any(|present| present.name == user.name || present.uid == user.uid)
        {
            return Err(format!(
                "there is already a user {} or one with the id {}",
                user.name, user.uid
            ));
        }
        let gid = user.gid.unwrap_or(user.uid);
        if !self.groups.iter().any(|group| group.gid == gid) {
            self.add_group(&GroupSpec {
                name: user.name.clone(),
                gid,
            })?;
        }
        for name in &user.groups {
            let Some(group) = self.groups.iter_mut().find(|group| group.name == *name) else {
                return Err(format!(
                    "the user {} is to be in the group {name}, which is not there",
                    user.name
                ));
            };
            group.members.push(user.name.clone());
        }
        let shell = user
            .shell
            .clone()
            .unwrap_or_else(|| "/usr/sbin/nologin".to_owned());
        if shell.contains([':', '\n']) {
            return Err(format!("{shell:?} is no shell"));
        }
        let (name, home) = (user.name.clone(), home_of(user));
        self.users.push(User {
            name,
            uid: user.uid,
            gid,
            comment: String::new(),
            home,
            shell,
        });
        Ok(())
    }

    /// Returns the owner that `USER[:GROUP]` means, by names or ids; without a group, the user's.
    pub(crate) fn owner(&self, text: &str) -> Result<Owner, String> {
        let (user_text, group_text) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let user = self.users.iter().find(|user| user.name == user_text);
        let uid = match (user, user_text.parse()) {
            (Some(user), _) => user.uid,
            (None, Ok(uid)) => uid,
            (None, Err(_)) => return Err(format!("the base has no user {user_text}")),
        };
        let own_group = || {
            self.users
                .iter()
                .find(|user| user.uid == uid)
                .map_or(uid, |user| user.gid)
        };
        let Some(group_text) = group_text else {
            return Ok(Owner {
                uid,
                gid: own_group(),
            });
        };
        let group = self.groups.iter().find(|group| group.name == group_text);
        match (group, group_text.parse()) {
            (Some(group), _) => Ok(Owner { uid, gid: group.gid }),
            (None, Ok(gid)) => Ok(Owner { uid, gid }),
            (None, Err(_)) => Err(format!("the base has no group {group_text}")),
        }
    }

    /// Returns the id of a group of this name.
    pub(crate) fn gid(&self, name: &str) -> Option<u32> {
        Some(self.groups.iter().find(|group| group.name == name)?.gid)
    }

    pub(crate) fn passwd(&self) -> String {
        let line = |user: &User| {
            let User {
                name,
                uid,
                gid,
                comment,
                home,
                shell,
            } = user;
            format!("{name}:x:{uid}:{gid}:{comment}:{home}:{shell}\n")
        };
        self.users.iter().map(line).collect()
    }

    pub(crate) fn group(&self) -> String {
        let line = |group: &Group| format!("{}:x:{}:{}\n", group.name, group.gid, group.members.join(","));
        self.groups.iter().map(line).collect()
    }

    /// Nobody can log in with a password. The day of the last change is left out: it would be a clock's.
    pub(crate) fn shadow(&self) -> String {
        let line = |user: &User| format!("{}:*::0:99999:7:::\n", user.name);
        self.users.iter().map(line).collect()
    }
}

/// Returns where a user's home directory is.
pub(crate) fn home_of(user: &UserSpec) -> String {
    user.home
        .as_ref()
        .map_or_else(|| format!("/home/{}", user.name), ToString::to_string)
}

fn fields<const N: usize>(line: &str) -> Option<[&str; N]> {
    line.split(':').collect::<Vec<_>>().try_into().ok()
}

/// The names that `useradd` takes.
fn check_name(name: &str) -> Result<(), String> {
    let good = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
        && name.len() <= 32;
    if good {
        Ok(())
    } else {
        Err(format!("{name:?} is no name of a user or group"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, uid: u32) -> UserSpec {
        UserSpec {
            name: name.to_owned(),
            uid,
            gid: None,
            home: None,
            shell: None,
            groups: Vec::new(),
        }
    }

    #[test]
    fn a_user_brings_its_group_and_home() {
        let mut accounts = Accounts::new(None, None);
        accounts
            .add_user(&UserSpec {
                groups: vec!["adm".to_owned()],
                ..user("app", 1000)
            })
            .unwrap();
        assert!(
            accounts
                .passwd()
                .ends_with("app:x:1000:1000::/home/app:/usr/sbin/nologin\n")
        );
        assert!(accounts.group().contains("adm:x:4:app\n") && accounts.group().ends_with("app:x:1000:\n"));
        assert!(accounts.shadow().ends_with("app:*::0:99999:7:::\n"));
    }

    #[test]
    fn owners_are_named_or_numbered() {
        let mut accounts = Accounts::new(None, None);
        accounts
            .add_user(&UserSpec {
                gid: Some(50),
                ..user("app", 1000)
            })
            .unwrap();
        let owner = |text| accounts.owner(text).map(|owner| owner.to_string());
        assert_eq!(owner("app").unwrap(), "1000:50");
        assert_eq!(owner("app:adm").unwrap(), "1000:4");
        assert_eq!(owner("7:8").unwrap(), "7:8");
        assert_eq!(owner("0").unwrap(), "0:0");
        assert_eq!(owner("nope").unwrap_err(), "the base has no user nope");
    }

    #[test]
    fn doubled_and_strange_accounts_are_refused() {
        let mut accounts = Accounts::new(None, None);
        assert!(accounts.add_user(&user("root", 7)).is_err());
        assert!(accounts.add_user(&user("other", 0)).is_err());
        assert!(accounts.add_user(&user("a:b", 7)).is_err());
        assert!(
            accounts
                .add_user(&UserSpec {
                    groups: vec!["nope".to_owned()],
                    ..user("x", 7)
                })
                .is_err()
        );
    }
}
