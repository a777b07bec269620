//! Whether a package is a server, and how it is started.

use serde_json::Value;

use super::super::files::{Files, joined};
use super::{depends_on, script};

/// How a server is started, without npm: npm would be one more process, which does not pass signals on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// What `node` is told.
    pub(crate) arguments: Vec<String>,
    /// Variables that the script sets.
    pub(crate) variables: Vec<(String, String)>,
    /// The script, where it says more than was understood.
    pub(crate) unclear: Option<String>,
}

/// Programs that serve while somebody develops: they are not what runs in an image.
const DEVELOPMENT: [&str; 12] = [
    "react-scripts",
    "vite",
    "ng",
    "vue-cli-service",
    "webpack",
    "webpack-dev-server",
    "parcel",
    "serve",
    "http-server",
    "live-server",
    "astro",
    "docusaurus",
];

impl Start {
    pub(super) fn find(files: &Files, directory: &str, package: &Value) -> Option<Self> {
        if let Some(start) = script(package, "start") {
            let words: Vec<&str> = start
                .split_whitespace()
                .skip_while(|word| word.contains('='))
                .collect();
            let program = words.first().copied().unwrap_or_default();
            if DEVELOPMENT.contains(&program) {
                return None;
            }
            return Some(Self::of_script(start, || main(files, directory, package)));
        }
        // A package with a user interface's build tools has a `main` by accident, if at all.
        let is_interface = ["vite", "react-scripts", "@angular/core"]
            .into_iter()
            .any(|name| depends_on(package, name));
        let main = main(files, directory, package)?;
        (!is_interface).then(|| Self::of_file(main))
    }

    fn of_file(file: String) -> Self {
        Self {
            arguments: vec![file],
            variables: Vec::new(),
            unclear: None,
        }
    }

    /// `NODE_ENV=production node --enable-source-maps server.js`
    fn of_script(start: &str, main: impl FnOnce() -> Option<String>) -> Self {
        let mut variables = Vec::new();
        let mut words = start.split_whitespace().peekable();
        if words.peek() == Some(&"cross-env") {
            words.next();
        }
        while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
            variables.push((name.to_owned(), value.to_owned()));
            words.next();
        }
        let program = words.next().unwrap_or_default();
        let rest: Vec<String> = words.map(str::to_owned).collect();
        let needs_shell = start.contains(['&', '|', ';', '$', '"', '\'', '`', '<', '>', '(', '*', '\\']);
        let is_name = !program.is_empty() && !program.contains('/');
        match program {
            _ if needs_shell || !is_name => Self {
                unclear: Some(start.to_owned()),
                ..Self::of_file(main().unwrap_or_else(|| "server.js".to_owned()))
            },
            "node" => Self {
                arguments: rest,
                variables,
                unclear: None,
            },
            // Another package's program: what is linked there is a script for node.
            tool => Self {
                arguments: [format!("node_modules/.bin/{tool}")]
                    .into_iter()
                    .chain(rest)
                    .collect(),
                variables,
                unclear: None,
            },
        }
    }
}

/// Returns the file that `main` names, or that npm would start without a script.
fn main(files: &Files, directory: &str, package: &Value) -> Option<String> {
    let named = package["main"]
        .as_str()
        .map(|main| main.trim_start_matches("./").to_owned());
    named.or_else(|| {
        let usual = ["server.js", "index.js", "app.js"].into_iter();
        let mut there = usual.filter(|name| joined(directory, name).is_some_and(|path| files.has(&path)));
        there.next().map(str::to_owned)
    })
}
