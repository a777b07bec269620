//! Completions and manual pages, read by the programs that they are for.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::laboratory::Laboratory;

/// Runs a program on a file, and returns what it says.
#[track_caller]
fn accepted(program: &str, arguments: &[&str], file: &Path) -> String {
    let output = Command::new(program).args(arguments).arg(file).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
    said
}

#[test]
fn shells_complete_with_the_scripts() {
    let laboratory = Laboratory::new();
    let script = |shell: &str| {
        let printed = laboratory.run(["completions", shell]).succeeded();
        let path = laboratory.path(shell);
        fs::write(&path, printed.stdout).unwrap();
        path
    };
    accepted("zsh", &["-n"], &script("zsh"));
    accepted("fish", &["-n"], &script("fish"));
    let ask = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        let ask = format!(
            ". \"$0\"; COMP_WORDS=({line}); COMP_CWORD={}; _lrops lrops '{last}' '{before}'; echo \"${{COMPREPLY[@]}}\"",
            words.len() - 1
        );
        accepted("bash", &["-c", &ask], &script("bash")).trim().to_owned()
    };
    assert_eq!(ask("lrops bu"), "build builder bump");
    assert_eq!(ask("lrops builder s"), "setup");
    assert_eq!(ask("lrops build --emul"), "--emulation");
    laboratory.run(["completions", "tcsh"]).failed(2);
}

#[test]
fn every_command_has_a_page_that_man_takes() {
    let laboratory = Laboratory::new();
    let directory = laboratory.path("man1");
    laboratory
        .run(["man".as_ref(), "--directory".as_ref(), directory.as_os_str()])
        .succeeded();
    for name in [
        "lrops",
        "lrops-build",
        "lrops-builder-setup",
        "lrops-image-create",
        "lrops-release",
    ] {
        let page = directory.join(format!("{name}.1"));
        assert!(page.is_file(), "{}", page.display());
    }
    for entry in fs::read_dir(&directory).unwrap().flatten() {
        accepted("mandoc", &["-T", "lint", "-W", "error"], &entry.path());
    }
    let page = fs::read_to_string(directory.join("lrops-release.1")).unwrap();
    for text in [".SH EXAMPLES", "lrops release \\-\\-push", "\\-\\-dry\\-run"] {
        assert!(page.contains(text), "{text:?} is not in:\n{page}");
    }
    let main = laboratory.run(["man"]).succeeded();
    assert!(main.stdout.contains(".TH lrops 1"), "{}", main.stdout);
}
