//! Where the script `build` writes a user interface to.

use serde_json::Value;

use super::super::files::{Files, joined};
use super::{depends_on, script};

/// A directory with a built user interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// The directory, from the project's.
    pub(crate) directory: String,
    /// The tool that is known to write there; without one it is a guess.
    pub(crate) tool: Option<&'static str>,
}

/// Build tools by the packages that bring them, and where they write to unless they are told otherwise.
const TOOLS: [(&str, &str, &str); 14] = [
    // Frameworks come before the tools that they are made of.
    ("react-scripts", "Create React App", "build"),
    ("@sveltejs/kit", "SvelteKit", "build"),
    ("astro", "Astro", "dist"),
    ("next", "Next.js", "out"),
    ("nuxt", "Nuxt", ".output/public"),
    ("gatsby", "Gatsby", "public"),
    ("@docusaurus/core", "Docusaurus", "build"),
    ("@angular/core", "Angular", "dist"),
    ("@vue/cli-service", "Vue CLI", "dist"),
    ("@11ty/eleventy", "Eleventy", "_site"),
    ("vite", "Vite", "dist"),
    ("parcel", "Parcel", "dist"),
    ("@rspack/cli", "Rspack", "dist"),
    ("webpack", "webpack", "dist"),
];

impl Output {
    pub(super) fn find(files: &Files, directory: &str, package: &Value) -> Self {
        let known = TOOLS.into_iter().find(|(name, _, _)| depends_on(package, name));
        let usual = known.map_or("dist", |(_, _, usual)| usual);
        let told = script(package, "build")
            .and_then(told_by_flag)
            .or_else(|| told_by_settings(files, directory));
        let written = told.as_deref().unwrap_or(usual);
        Self {
            // A directory outside of the project cannot be copied from, and is not believed.
            directory: joined(directory, written)
                .or_else(|| joined(directory, usual))
                .unwrap_or_default(),
            tool: known.map(|(_, name, _)| name),
        }
    }
}

/// `vite build --outDir ../server/dist`
fn told_by_flag(script: &str) -> Option<String> {
    let words: Vec<&str> = script.split_whitespace().collect();
    let flags = ["--outDir", "--out-dir", "--dist-dir", "--output-path"];
    words.iter().enumerate().find_map(|(index, word)| {
        let (flag, value) = word.split_once('=').unwrap_or((word, ""));
        let value = if value.is_empty() {
            words.get(index + 1)?
        } else {
            value
        };
        flags
            .contains(&flag)
            .then(|| value.trim_matches(['"', '\'']).to_owned())
    })
}

/// `outDir: "../server/dist"` in Vite's settings, which are a program: what is computed is not understood.
fn told_by_settings(files: &Files, directory: &str) -> Option<String> {
    let settings = ["ts", "js", "mts", "mjs", "cts", "cjs"]
        .into_iter()
        .find_map(|ending| files.text(&joined(directory, &format!("vite.config.{ending}"))?))?;
    let lines = settings
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"));
    lines
        .filter_map(|line| line.split_once("outDir:"))
        .find_map(|(_, value)| {
            let value = value.trim();
            let quote = value.chars().next().filter(|first| "\"'`".contains(*first))?;
            let (text, _) = value[1..].split_once(quote)?;
            (!text.contains("${")).then(|| text.to_owned())
        })
}
