//! What is read from a project's files: a table for each kind.

use super::node::{Installer, NodePackage};
use super::project::InterfacePlace;
use super::*;

/// A row: the files, and what is said of them.
type Row<'a> = (Files, &'a [&'a str]);

fn read(files: &Files) -> Project {
    let read = Project::of(files, "directory", None);
    read.unwrap_or_else(|mistake| panic!("{files:?}: {mistake:?}"))
}

/// Says what was found, where a user interface gets to, and what a person should know.
fn said(project: &Project) -> Vec<String> {
    let mut said = project.found();
    if let InterfacePlace::Sources(directory) = &project.interface_place {
        said.push(format!("compiled in from {directory}"));
    }
    said.extend(project.notes.iter().map(|note| format!("note: {note}")));
    said
}

#[track_caller]
fn check<'a>(rows: impl IntoIterator<Item = Row<'a>>) {
    for (files, expected) in rows {
        assert_eq!(said(&read(&files)), expected, "{files:?}");
    }
}

const MODULE: (&str, &str) = ("go.mod", "module example.com/team/hello/v2\n\ngo 1.24\n");
const MAIN: (&str, &str) = ("main.go", "package main\n\nfunc main() {}\n");
const VITE: &str =
    r#"{"name": "pages", "scripts": {"build": "vite build"}, "devDependencies": {"vite": "7"}}"#;
const LOCK: &str = r#"{"lockfileVersion": 3, "packages": {}}"#;

#[test]
fn go_says_which_pages_it_compiles_in() {
    let embeds =
        |directive: &str| format!("package main\n\nimport _ \"embed\"\n\n{directive}\nvar pages string\n");
    let program = "the Go module example.com/team/hello/v2 with the program hello";
    let pages = "a user interface in web/, built by Vite into web/dist/";
    for (directive, place) in [
        ("//go:embed web/dist", Some("web/dist")),
        ("//go:embed all:web/dist", Some("web/dist")),
        ("//go:embed web/dist/*.html", Some("web/dist")),
        ("//go:embed \"web/dist/index.html\"", Some("web/dist")),
        // Somebody copies it there before the program is compiled.
        ("//go:embed internal/dist", Some("internal/dist")),
        ("// go:embed web/dist", None),
        ("//go:embed words.txt", None),
    ] {
        let main = embeds(directive);
        let files = Files::from([
            MODULE,
            ("main.go", &main),
            ("web/package.json", VITE),
            ("web/package-lock.json", LOCK),
        ]);
        let mut expected = vec![program.to_owned(), pages.to_owned()];
        expected.extend(place.map(|place| format!("compiled in from {place}")));
        assert_eq!(said(&read(&files)), expected, "{directive}");
    }
}

#[test]
fn go_says_whether_it_needs_a_c_compiler() {
    let required = "module example.com/hello\n\ngo 1.24\n\nrequire github.com/mattn/go-sqlite3 v1.14.0\n";
    let with_c = "package main\n\n/*\n#include <math.h>\n*/\nimport \"C\"\n\nfunc main() {}\n";
    let program = "the Go module example.com/team/hello/v2 with the program hello";
    let because = "note: main.go imports \"C\": the programs are compiled with C cross-compilers";
    check([
        (Files::from([MODULE, MAIN]), &[program][..]),
        (Files::from([MODULE, ("main.go", with_c)]), &[program, because]),
        (
            Files::from([
                MODULE,
                ("main.go", "package main\n\n// import \"C\"\n\nfunc main() {}\n"),
            ]),
            &[program],
        ),
        (Files::from([MODULE, MAIN, ("c_test.go", with_c)]), &[program]),
        (
            Files::from([("go.mod", required), MAIN]),
            &[
                "the Go module example.com/hello with the program hello",
                "note: go.mod requires github.com/mattn/go-sqlite3: the programs are compiled with C cross-compilers",
            ],
        ),
    ]);
}

#[test]
fn go_says_which_programs_it_makes() {
    let main = MAIN.1;
    check([
        (
            Files::from([
                MODULE,
                ("cmd/one/main.go", main),
                ("cmd/two/main.go", main),
                ("tools/x/main.go", main),
            ]),
            &["the Go module example.com/team/hello/v2 with the programs one, two"][..],
        ),
        (
            Files::from([("server/go.mod", MODULE.1), ("server/main.go", main)]),
            &["the Go module example.com/team/hello/v2 in server/ with the program hello"],
        ),
        (
            Files::from([MODULE, ("lib.go", "package hello\n")]),
            &["note: the Go module example.com/team/hello/v2 has no package main: it is not built"],
        ),
    ]);
}

#[test]
fn node_says_who_installs_its_packages() {
    let package = |more: &str| {
        format!(
            r#"{{"name": "x", "scripts": {{"start": "node server.js"}}, "dependencies": {{"y": "1"}}{more}}}"#
        )
    };
    let (plain, pinned) = (
        package(""),
        package(r#", "packageManager": "pnpm@9.1.0+sha512.ab""#),
    );
    let classic = package(r#", "packageManager": "yarn@1.22.0""#);
    let told = |files: Files| {
        let Kind::Server(NodePackage { installer, .. }) = read(&files).kind else {
            panic!("{files:?} is no server")
        };
        let Installer { package, .. } = &installer;
        format!("{}: {}", package.as_deref().unwrap_or("npm"), installer.install())
    };
    for (text, lock, content, expected) in [
        (&plain, "package-lock.json", LOCK, "npm: npm ci"),
        (&plain, "README", "", "npm: npm install"),
        (
            &plain,
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n",
            "pnpm@10: pnpm install --frozen-lockfile",
        ),
        (
            &plain,
            "pnpm-lock.yaml",
            "lockfileVersion: '6.0'\n",
            "pnpm@8: pnpm install --frozen-lockfile",
        ),
        (
            &pinned,
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n",
            "pnpm@9.1.0: pnpm install --frozen-lockfile",
        ),
        // The lock file of another tool is left from earlier days.
        (&pinned, "yarn.lock", "", "pnpm@9.1.0: pnpm install"),
        (
            &plain,
            "yarn.lock",
            "# yarn lockfile v1\n",
            "yarn@1: yarn install --frozen-lockfile",
        ),
        (
            &plain,
            "yarn.lock",
            "__metadata:\n  version: 8\n",
            "@yarnpkg/cli-dist@4: yarn install --immutable",
        ),
        (
            &classic,
            "yarn.lock",
            "# yarn lockfile v1\n",
            "yarn@1.22.0: yarn install --frozen-lockfile",
        ),
    ] {
        let files = Files::from([("package.json", text.as_str()), (lock, content)]);
        assert_eq!(told(files), expected, "{lock}: {content}");
    }
}

#[test]
fn rust_says_which_programs_a_workspace_makes() {
    let root = "[workspace]\nmembers = [\"crates/*\", \"xtask\"]\n";
    let package = |name: &str| format!("[package]\nname = \"{name}\"\n");
    let (server, client, library, side) = (
        package("server"),
        package("client"),
        package("library"),
        package("xtask"),
    );
    let twice = "[package]\nname = \"server\"\n\n[[bin]]\nname = \"serve\"\npath = \"src/serve.rs\"\n";
    let program = "fn main() {}\n";
    let lock = "[[package]]\nname = \"openssl-sys\"\n";
    let unlocked = "note: there is no Cargo.lock: commit the one that `cargo generate-lockfile` writes, and add --locked \
                    to cargo build in the Dockerfile";
    check([
        (
            Files::from([
                ("Cargo.toml", root),
                ("Cargo.lock", "version = 4\n"),
                ("crates/server/Cargo.toml", &server),
                ("crates/server/src/main.rs", program),
                ("crates/client/Cargo.toml", &client),
                ("crates/client/src/main.rs", program),
                ("crates/library/Cargo.toml", &library),
                ("crates/library/src/lib.rs", ""),
                ("xtask/Cargo.toml", &side),
                ("xtask/src/main.rs", program),
            ]),
            &["the Cargo project with the programs client, server"][..],
        ),
        (
            Files::from([
                ("Cargo.toml", root),
                ("Cargo.lock", lock),
                ("crates/server/Cargo.toml", twice),
                ("crates/server/src/serve.rs", program),
            ]),
            &[
                "the Cargo project with the program serve",
                "note: Cargo.lock has openssl-sys, which needs the target's OpenSSL: take rustls, or the feature `vendored` of \
                 the package openssl",
            ],
        ),
        (
            Files::from([("Cargo.toml", server.as_str()), ("src/main.rs", program)]),
            &["the Cargo project with the program server", unlocked],
        ),
        (
            Files::from([
                ("Cargo.toml", library.as_str()),
                ("src/lib.rs", ""),
                ("Cargo.lock", "version = 4\n"),
            ]),
            &["note: the Cargo project has no program: it is not built"],
        ),
    ]);
}

#[test]
fn a_user_interface_is_found_below_the_project() {
    let program = "the Go module example.com/team/hello/v2 with the program hello";
    let elsewhere =
        r#"{"scripts": {"build": "vite build --outDir ../../assets"}, "devDependencies": {"vite": "7"}}"#;
    let settings = "export default { build: { outDir: '../public' } }\n";
    let library = r#"{"name": "shared"}"#;
    check([
        (
            Files::from([
                MODULE,
                MAIN,
                ("apps/web/package.json", VITE),
                ("apps/web/package-lock.json", LOCK),
            ]),
            &[
                program,
                "a user interface in apps/web/, built by Vite into apps/web/dist/",
            ][..],
        ),
        (
            Files::from([
                MODULE,
                MAIN,
                ("internal/web/package.json", elsewhere),
                ("internal/web/package-lock.json", LOCK),
            ]),
            &[
                program,
                "a user interface in internal/web/, built by Vite into assets/",
            ],
        ),
        (
            Files::from([
                MODULE,
                MAIN,
                ("web/package.json", VITE),
                ("web/package-lock.json", LOCK),
                ("web/vite.config.ts", settings),
            ]),
            &[program, "a user interface in web/, built by Vite into public/"],
        ),
        // The usual room goes first; what builds nothing is none.
        (
            Files::from([
                MODULE,
                MAIN,
                ("admin/package.json", VITE),
                ("lib/package.json", library),
                ("ui/package.json", VITE),
                ("ui/package-lock.json", LOCK),
            ]),
            &[program, "a user interface in ui/, built by Vite into ui/dist/"],
        ),
        // Too deep to be the project's own.
        (
            Files::from([MODULE, MAIN, ("a/b/c/d/package.json", VITE)]),
            &[program],
        ),
    ]);
}
