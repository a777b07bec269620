//! The same image, whoever builds it and wherever.

use std::fs;
use std::process::Command;

use crate::laboratory::{Laboratory, User};

/// Everything that depends on owners, modes, links and removals.
const DOCKERFILE: &str = "FROM busybox AS made\nWORKDIR /made\n\
    RUN echo one >one && ln -s one link && ln one hard && mkfifo pipe && chmod 4755 one && mkdir -m 700 private\n\
    COPY --chown=1000:2000 tree /owned\nCOPY --link --chown=1000:2000 tree/file /linked/file\n\
    COPY --chown=app:extra tree/file /named/file\n\
    FROM busybox\nCOPY --from=made /owned /owned\nCOPY --from=made /made /made\nADD archive.tar /archive/\n\
    RUN rm /bin/vi && echo more >>/owned/file && mv /owned/sub/deep /moved && rm -r /made/private && mkdir /made/private\n\
    USER app\nWORKDIR /home/app\n";

fn fill(laboratory: &Laboratory) {
    laboratory
        .dockerfile(DOCKERFILE)
        .file("tree/file", "content")
        .file("tree/sub/deep", "content");
    std::os::unix::fs::symlink("file", laboratory.context().join("tree/link")).unwrap();
    let mut tar = tar::Builder::new(fs::File::create(laboratory.context().join("archive.tar")).unwrap());
    let mut header = tar::Header::new_ustar();
    header.set_size(3);
    header.set_mode(0o640);
    header.set_uid(12);
    header.set_gid(34);
    header.set_mtime(1_000_000_000);
    tar.append_data(&mut header, "from-archive", &b"abc"[..]).unwrap();
    tar.finish().unwrap();
}

/// Makes an account with or without subordinate ids, and removes it at the end.
struct Account {
    name: String,
    id: u32,
}

impl Account {
    fn new(name: &str, subordinate_ids: bool) -> Self {
        let name = format!("{name}-{}", std::process::id());
        run(Command::new("useradd").args(["--no-create-home", "--shell", "/bin/sh", &name]));
        let id = Command::new("id").args(["-u", &name]).output().unwrap();
        let id = String::from_utf8(id.stdout).unwrap().trim().parse().unwrap();
        // useradd gives a range of its own accord where the machine is set up so; the test says what it wants.
        for flag in ["--del-subuids", "--del-subgids"] {
            let _ = Command::new("usermod")
                .args([flag, "100000-4294967294", &name])
                .output();
        }
        for (file, prefix) in [
            ("/etc/subuid", format!("{name}:")),
            ("/etc/subgid", format!("{name}:")),
        ] {
            let text = fs::read_to_string(file).unwrap_or_default();
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(&prefix)).collect();
            fs::write(file, lines.join("\n") + "\n").unwrap();
        }
        if subordinate_ids {
            for flag in ["--add-subuids", "--add-subgids"] {
                run(Command::new("usermod").args([flag, "500000-565535", &name]));
            }
        }
        Self { name, id }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.name).output();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn root_and_ordinary_users_build_the_same_image_in_any_directory() {
    let with = Account::new("lrops-with", true);
    let without = Account::new("lrops-without", false);
    let users = [
        User::Root,
        User::Root,
        User::Ordinary(with.id),
        User::Ordinary(without.id),
    ];
    let digests = users.map(|user| {
        let laboratory = Laboratory::of(user);
        fill(&laboratory);
        let digest = laboratory.digest(&["--tag", "same"]);
        assert_eq!(
            laboratory.build(&[]).succeeded().ran(),
            [""; 0],
            "{user:?} finds its own results"
        );
        digest
    });
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:#?}");
}

#[test]
fn a_command_that_needs_more_ids_than_there_are_says_so() {
    let without = Account::new("lrops-single", false);
    let laboratory = Laboratory::of(User::Ordinary(without.id));
    laboratory.dockerfile("FROM busybox\nRUN touch /x && chown 1000 /x\n");
    let ended = laboratory.build(&[]).failed(1);
    assert!(ended.stderr.contains("chown"), "{}", ended.stderr);
}
