//! Who the command is, and what it may do as root.

use rustix::process::{getgid, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, Gid, Uid, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use super::error::Step;
use super::message::Failure;
use super::spec::{NewPrivileges, RunSpec, Security};

/// What root in a container may do: the default of Docker, containerd and BuildKit.
const DEFAULT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::AUDIT_WRITE);

/// The highest number that a capability can have.
const CAPABILITY_LAST: u32 = 63;

/// Takes from the bounding set what no program that the command runs shall gain, and forbids gaining where asked.
pub(crate) fn limit_what_can_be_gained(spec: &RunSpec) -> Result<(), Failure> {
    if spec.new_privileges == NewPrivileges::Refused {
        set_no_new_privs(true).map_err(Failure::of(Step::Capabilities))?;
    }
    if spec.security == Security::Insecure {
        return Ok(());
    }
    for capability in all().filter(|capability| !DEFAULT.contains(*capability)) {
        // A number that the kernel does not know is in no set.
        if capability_is_in_bounding_set(capability).unwrap_or(false) {
            remove_capability_from_bounding_set(capability).map_err(Failure::of(Step::Capabilities))?;
        }
    }
    Ok(())
}

/// Takes the user's ids, and leaves it the capabilities that it has in a container: none unless it is root.
pub(crate) fn become_user(spec: &RunSpec) -> Result<(), Failure> {
    let user = &spec.user;
    let step = || Step::User {
        uid: user.uid,
        gid: user.gid,
    };
    set_groups(&user.supplementary).map_err(|error| foreign_id(step(), error))?;
    let gid = Gid::from_raw(user.gid);
    set_thread_res_gid(gid, gid, gid).map_err(|error| foreign_id(step(), error))?;
    let uid = Uid::from_raw(user.uid);
    set_thread_res_uid(uid, uid, uid).map_err(|error| foreign_id(step(), error))?;
    debug_assert_eq!(
        (getuid(), getgid()),
        (uid, gid),
        "the kernel set what it was told"
    );
    if spec.security == Security::Insecure || !uid.is_root() {
        return Ok(());
    }
    clear_ambient_capability_set().map_err(Failure::of(Step::Capabilities))?;
    let bounded = all()
        .filter(|capability| DEFAULT.contains(*capability))
        .filter(|capability| capability_is_in_bounding_set(*capability).unwrap_or(false))
        .collect();
    let sets = CapabilitySets {
        effective: bounded,
        permitted: bounded,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(Failure::of(Step::Capabilities))
}

fn all() -> impl Iterator<Item = CapabilitySet> {
    (0..=CAPABILITY_LAST).map(|number| CapabilitySet::from_bits_retain(1 << number))
}

/// Sets the other groups, unless the namespace has one group only and forbids it: then there are none to choose from.
fn set_groups(groups: &[u32]) -> rustix::io::Result<()> {
    let denied = std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() == "deny");
    if denied {
        return Ok(());
    }
    let groups: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
    set_thread_groups(&groups)
}

/// An id that the namespace does not have is the one mistake here that people make, and can mend.
fn foreign_id(step: Step, error: rustix::io::Errno) -> Failure {
    let failure = Failure::of(step)(error);
    if error != rustix::io::Errno::INVAL {
        return failure;
    }
    let message = "this user namespace has no such id; give your user subordinate ids (a line like NAME:100000:65536 in \
                   /etc/subuid and in /etc/subgid, and the package uidmap)";
    Failure {
        message: message.to_owned(),
        ..failure
    }
}
