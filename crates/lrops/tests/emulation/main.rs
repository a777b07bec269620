//! Commands of foreign platforms, really emulated: as root and as an ordinary user, and where it cannot be.
//!
//! The foreign programs are Debian's, in bases that lrops assembles from the machine's mirrors.

#[path = "../builds/laboratory.rs"]
#[expect(dead_code, reason = "these tests need less of it than others")]
mod laboratory;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use laboratory::{Ended, Laboratory, User};

const FOREIGN: &str = "linux/arm64,linux/arm/v7";
const QEMU: &str = "/usr/bin/qemu-aarch64-static";

/// An arm64 program's first bytes, and which of their bits count, as binfmt's registrations have them.
const ARM64: &str = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
const ARM64_MASK: &str = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";

/// Returns a layout with busybox and its applets for the foreign platforms.
fn busybox() -> &'static Path {
    static LAYOUT: OnceLock<(Laboratory, PathBuf)> = OnceLock::new();
    let (_, path) = LAYOUT.get_or_init(|| {
        let laboratory = Laboratory::new();
        laboratory.file(
            "lrops.toml",
            "[bases.debian-busybox]\ndistribution = 'debian'\nsuite = 'bookworm'\npackages = ['busybox-static']\n",
        );
        laboratory.dockerfile("FROM debian-busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n");
        let layout = laboratory.path("layout");
        let output = format!("type=oci,tar=false,dest={}", layout.display());
        let built = laboratory.run(["build", "--platform", FOREIGN, "--output", &output, "."]);
        built.succeeded();
        let readable = Command::new("chmod").args(["-R", "a+rX"]).arg(&layout).status();
        assert!(readable.unwrap().success());
        (laboratory, layout)
    });
    path
}

/// Returns the arguments of a build for one platform or several.
fn arguments(platform: &str, more: &[&str]) -> Vec<String> {
    let base = format!("busybox=oci-layout://{}", busybox().display());
    let mut arguments = vec!["build", "--platform", platform, "--build-context", &base];
    arguments.extend(more);
    if !more.iter().any(|word| word.starts_with("--progress")) {
        arguments.push("--progress=rawjson");
    }
    arguments.push(".");
    arguments.into_iter().map(str::to_owned).collect()
}

fn build(laboratory: &Laboratory, platform: &str, more: &[&str]) -> Ended {
    laboratory.run(arguments(platform, more))
}

/// Returns a laboratory whose Dockerfile runs one arm64 command.
fn one_command() -> Laboratory {
    let laboratory = Laboratory::new();
    laboratory.dockerfile("FROM busybox\nRUN uname -m >/machine\n");
    laboratory
}

/// A command, its children and theirs are emulated, and whoever builds gets the same image.
#[test]
fn children_are_emulated_too_for_root_and_for_an_ordinary_user() {
    let digests = [User::Root, User::Ordinary(54_321)].map(|user| {
        let laboratory = Laboratory::of(user);
        laboratory.dockerfile(
            "FROM busybox\nRUN uname -m >/machines && sh -c 'uname -m | tee -a /machines' && \
             echo x | xargs -n 1 env sh -c 'uname -m >>/machines'\n",
        );
        let out = laboratory.path("files");
        let output = format!("type=local,dest={}", out.display());
        let ended = build(&laboratory, FOREIGN, &["--output", &output]).succeeded();
        for (platform, machine) in [("linux_arm64", "aarch64"), ("linux_arm_v7", "armv7l")] {
            let machines = fs::read_to_string(out.join(platform).join("machines")).unwrap();
            assert_eq!(machines, format!("{machine}\n").repeat(3), "{user:?}");
        }
        ended.stdout
    });
    assert_eq!(digests[0], digests[1]);
}

/// What the machine's own table of binary formats holds, wherever it is mounted, or not.
fn machine_table() -> String {
    let script = "mount -t binfmt_misc none /mnt && ls /mnt";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn nothing_is_registered_on_the_machine() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile("FROM busybox\nRUN echo it-runs-on-$(uname -m); sleep 600\n");
    let before = machine_table();
    let mut command = laboratory.command(arguments("linux/arm64", &["--progress=plain"]));
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(
        lines.any(|line| line.unwrap().ends_with(" it-runs-on-aarch64")),
        "the command runs"
    );
    assert_eq!(machine_table(), before);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn progress_and_summary_say_what_is_emulated() {
    let laboratory = one_command();
    let ended = build(&laboratory, FOREIGN, &["--progress=plain"]).succeeded();
    for line in [
        "[linux/arm64 stage-0 2/2 · emulated] RUN uname -m >/machine",
        "[linux/arm/v7 stage-0 2/2 · emulated] RUN uname -m >/machine",
        "emulated  2 steps",
    ] {
        assert!(ended.stderr.contains(line), "{line}: {}", ended.stderr);
    }
}

#[test]
fn denied_emulation_stops_before_the_build() {
    let laboratory = one_command();
    let ended = build(&laboratory, "linux/arm64", &["--emulation=deny"]).failed(1);
    assert_eq!(ended.steps(), [""; 0]);
    assert!(ended.stderr.contains("EmulatedRun"), "{}", ended.stderr);
}

#[test]
fn without_an_emulator_the_build_does_not_begin() {
    let laboratory = one_command();
    let empty = laboratory.path("empty");
    fs::create_dir(&empty).unwrap();
    let qemu = format!("--qemu={}", empty.display());
    let ended = build(&laboratory, "linux/arm64", &[&qemu]).failed(7);
    assert_eq!(ended.steps(), [""; 0]);
    let missing = format!("there is no qemu-aarch64-static in {}", empty.display());
    for words in ["line 2 of Dockerfile", &missing, "--qemu DIR", "$BUILDPLATFORM"] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    // One that needs libraries would find none in the stage's files.
    fs::copy("/bin/ls", empty.join("qemu-aarch64")).unwrap();
    let ended = build(&laboratory, "linux/arm64", &[&qemu]).failed(7);
    assert!(
        ended.stderr.contains("qemu-aarch64 is not statically linked"),
        "{}",
        ended.stderr
    );
    let ended = build(&laboratory, "linux/arm64", &["--qemu=nowhere"]).failed(2);
    assert!(ended.stderr.contains("is no directory"), "{}", ended.stderr);
}

#[test]
fn an_emulator_can_be_named_and_enters_no_cache_key() {
    let laboratory = one_command();
    let named = laboratory.context().join("tools");
    fs::create_dir(&named).unwrap();
    laboratory.file(".dockerignore", "*\n");
    // Busybox knows no applet of this name, and says so: it is what is started.
    fs::copy("/bin/busybox", named.join("qemu-aarch64-static")).unwrap();
    let ended = build(&laboratory, "linux/arm64", &["--qemu=tools"]).failed(1);
    assert!(ended.stderr.contains("applet not found"), "{}", ended.stderr);
    laboratory.file("lrops.toml", "[build]\nqemu = 'tools'\n");
    build(&laboratory, "linux/arm64", &[]).failed(1);
    fs::remove_file(named.join("qemu-aarch64-static")).unwrap();
    fs::copy(QEMU, named.join("qemu-aarch64")).unwrap();
    let built = build(&laboratory, "linux/arm64", &[]).succeeded();
    assert_eq!(built.ran(), ["RUN uname -m >/machine"]);
    // What is there needs no emulator, of whatever place.
    fs::remove_file(named.join("qemu-aarch64")).unwrap();
    let again = build(&laboratory, "linux/arm64", &[]).succeeded();
    assert_eq!(again.ran(), [""; 0]);
    assert_eq!(again.stdout, built.stdout);
    build(&laboratory, "linux/arm64", &["--no-cache"]).failed(7);
}

/// Runs lrops where no further user namespace can be made, so that a sandbox gets no table of its own.
fn without_a_table(laboratory: &Laboratory, before: &str, words: Vec<String>) -> Ended {
    let lrops = laboratory.command(words);
    let script = format!("{before} && echo 0 >/proc/sys/user/max_user_namespaces && exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-e",
        "-c",
        &script,
        "sh",
    ]);
    command.arg(lrops.get_program()).args(lrops.get_args());
    command.current_dir(laboratory.context()).env_clear();
    for (name, value) in lrops.get_envs() {
        command.env(name, value.unwrap());
    }
    Ended::of(command.output().unwrap())
}

#[test]
fn without_a_table_of_its_own_the_machines_serves_or_an_error_says_so() {
    let laboratory = one_command();
    let words = || arguments("linux/arm64", &["--no-cache"]);
    let doctor = || {
        ["doctor", "--platform=linux/arm64", "."]
            .map(str::to_owned)
            .to_vec()
    };
    let refused = without_a_table(&laboratory, "true", words()).failed(7);
    assert_eq!(refused.steps(), [""; 0]);
    assert!(
        refused.stderr.contains("no table of binary formats of its own"),
        "{}",
        refused.stderr
    );
    let told = without_a_table(&laboratory, "true", doctor()).failed(7);
    assert!(told.stdout.contains("table of binary formats"), "{}", told.stdout);
    // What stands for the machine's table is that of the namespace around lrops.
    let registered = |flags: &str| {
        let table = "/proc/sys/fs/binfmt_misc";
        format!(
            "mount -t binfmt_misc none {table} && printf %s ':arm64:M::{ARM64}:{ARM64_MASK}:{QEMU}:{flags}' >{table}/register"
        )
    };
    let built = without_a_table(&laboratory, &registered("F"), words()).succeeded();
    assert!(built.ran().contains(&"RUN uname -m >/machine".to_owned()));
    without_a_table(&laboratory, &registered("F"), doctor()).succeeded();
    // Without F the kernel would look for QEMU in the stage's files.
    without_a_table(&laboratory, &registered("C"), words()).failed(7);
}

/// The scripts of a package run: apt, dpkg, the shell and perl, each started by the other.
#[test]
fn a_debian_package_is_installed_under_emulation() {
    let laboratory = Laboratory::new();
    laboratory.file(
        "lrops.toml",
        "[bases.debian]\ndistribution = 'debian'\nsuite = 'bookworm'\npackages = ['apt', 'base-files', 'base-passwd', \
         'bash', 'ca-certificates', 'coreutils', 'dash', 'debconf', 'debian-archive-keyring', 'diffutils', 'dpkg', \
         'findutils', 'grep', 'gzip', 'libc-bin', 'login', 'perl-base', 'sed', 'tar']\n",
    );
    laboratory.dockerfile(
        "FROM debian\nRUN --mount=type=bind,from=apt,target=/etc/apt \
         apt-get update && apt-get install -y --no-install-recommends less\n\
         RUN less --version && test \"$(readlink /etc/alternatives/pager)\" = /usr/bin/less && \
         test \"$(dpkg-query --show --showformat '${Architecture} ${Status}' less)\" = 'arm64 install ok installed'\n",
    );
    let ended = build(&laboratory, "linux/arm64", &["--build-context=apt=/etc/apt"]).succeeded();
    assert_eq!(ended.ran().len(), 3, "{:?}", ended.ran());
}
