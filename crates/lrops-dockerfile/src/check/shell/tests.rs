//! What is read from scripts.

use super::{Lines, Script};

/// Shows the calls of a script: what is set, then the words.
fn calls(text: &str, lines: Lines) -> Vec<String> {
    let script = Script::read(text, 0..text.len(), lines, &[]);
    script
        .calls
        .iter()
        .map(|call| {
            let settings = call
                .settings
                .iter()
                .map(|setting| format!("{}={}", setting.name, setting.value));
            let words = call.words.iter().map(|word| word.text.clone());
            settings.chain(words).collect::<Vec<_>>().join(" ")
        })
        .collect()
}

fn needs(text: &str, name: &str) -> bool {
    Script::read(text, 0..text.len(), Lines::Separate, &[]).needs(name)
}

#[test]
fn calls_are_found_behind_grammar_and_settings() {
    for (text, expected) in [
        ("a && b; c | d & e", &["a", "b", "c", "d", "e"][..]),
        ("if GOARCH=$A go build; then x; fi", &["GOARCH=$A go build", "x"]),
        (
            "A=1\nexport B=2 C='3 4'\ngo x",
            &["A=1", "A=1 export B=2 C=3 4", "A=1 B=2 C=3 4 go x"],
        ),
        ("(cd a && make) >log 2>&1 </dev/null", &["cd a", "make"]),
        ("env A=1 time go build", &["A=1 go build"]),
        (
            "echo 'a; go build' \"b && make\" \\; c # go",
            &["echo a; go build b && make ; c"],
        ),
        (
            "v=$(git describe; date) x",
            &["git describe", "date", "v=$(git describe; date) x"],
        ),
        ("x `uname -m`", &["uname -m", "x `uname -m`"]),
        ("a \"$(b $(c))\"", &["c", "b $(c)", "a $(b $(c))"]),
        ("sh -ec 'A=1 go build'", &["A=1 go build", "sh -ec A=1 go build"]),
        (
            "v=$(case $a in b) c ;; *) d ;; esac) e",
            &[
                "case $a in b",
                "c",
                "*",
                "d",
                "esac",
                "v=$(case $a in b) c ;; *) d ;; esac) e",
            ],
        ),
        ("cat <<E >f\ngo build\nE\nmake", &["cat", "make"]),
        ("! { make; }", &["make"]),
    ] {
        assert_eq!(calls(text, Lines::Separate), expected, "{text}");
    }
}

#[test]
fn joined_lines_leave_comments_out() {
    let text = "a \\\n# b; c\n\n  && d\\\r\n  e \\\n  ; f # g \\\n  h";
    assert_eq!(calls(text, Lines::Joined('\\')), ["a", "d e", "f"]);
    assert_eq!(calls("a `\n b", Lines::Joined('`')), ["a b"]);
}

#[test]
fn variables_are_taken_where_a_shell_replaces_them() {
    for text in [
        "echo $A",
        "echo \"x ${A}y\"",
        "echo ${A:-z}",
        "echo ${B:-$A}",
        "echo ${#A}",
        "x $(echo $A)",
        "x `echo $A`",
        "sh -c 'echo $A'",
        "echo \"it's $A\"",
        "B=$A",
    ] {
        assert!(needs(text, "A"), "{text}");
    }
    for text in [
        "echo '$A'",
        "echo \\$A",
        "echo \"\\$A\"",
        "echo $AB ${A_B}",
        "A=1; echo $A",
        "for A in b; do echo $A; done",
        "read A; echo $A",
        "export A=1 && echo $A",
        "# $A",
    ] {
        assert!(!needs(text, "A"), "{text}");
    }
}

#[test]
fn any_text_comes_to_an_end() {
    for text in [
        "$(",
        "${",
        "`",
        "'",
        "\"",
        "\\",
        "<<",
        "a <",
        "$((1",
        "((",
        "&>",
        "${a:-${",
        "$(case",
        "sh -c",
        "ä$(ö'ü",
    ] {
        drop(calls(text, Lines::Separate));
        drop(calls(text, Lines::Joined('\\')));
    }
    for piece in ["$(", "${a:-", "\"$(", "(", "`", "sh -c 'a", "case x in ", "<<a "] {
        drop(calls(&piece.repeat(20_000), Lines::Separate));
    }
}
