//! What a text of shell says, as far as it can be told without a shell: which programs it calls, and which variables it
//! sets and takes.

/// Commands that compile or bundle, with the word that has to follow.
const TOOLS: [(&str, &[&str]); 12] = [
    ("go", &["build", "install", "mod", "generate"]),
    ("cargo", &["build", "install"]),
    ("npm", &["ci", "install", "run"]),
    ("pnpm", &["install", "run", "build"]),
    ("yarn", &["install", "run", "build"]),
    ("make", &[]),
    ("gcc", &[]),
    ("g++", &[]),
    ("cmake", &[]),
    ("mvn", &[]),
    ("gradle", &[]),
    ("dotnet", &["build", "publish", "restore"]),
];

/// Names of architectures in the names of files.
const ARCHITECTURES: [&str; 6] = ["amd64", "x86_64", "x64", "arm64", "aarch64", "armv7"];

/// A program that is called in a text of shell, and the settings that it sees.
pub(super) struct Call<'t> {
    pub(super) words: Vec<&'t str>,
    pub(super) settings: String,
}

/// Words that come before the program of a command.
const BEFORE_PROGRAM: [&str; 8] = ["then", "do", "else", "time", "exec", "env", "export", "\\"];

/// Splits a text of shell into calls, roughly: enough to see which program is called with what.
pub(super) fn calls_of<'t>(text: &'t str, before: &str) -> Vec<Call<'t>> {
    let mut exported = before.to_owned();
    let mut calls = Vec::new();
    for command in text.split(|character: char| "\n;&|".contains(character)) {
        let words: Vec<&str> = command.split_whitespace().filter(|word| *word != "\\").collect();
        let is_before = |word: &&&str| word.contains('=') || BEFORE_PROGRAM.contains(*word);
        let length = words.iter().take_while(is_before).count();
        let settings = words[..length].join(" ");
        let words = words[length..].to_vec();
        if words.is_empty() {
            // It holds for all that follows, if what follows gets it.
            exported = format!("{exported} {settings}");
            continue;
        }
        calls.push(Call {
            words,
            settings: format!("{exported} {settings}"),
        });
    }
    calls
}

/// Returns the tool that a command runs.
pub(super) fn tool(text: &str) -> Option<String> {
    calls_of(text, "").iter().find_map(|call| {
        let (program, verbs) = TOOLS
            .iter()
            .find(|(program, _)| call.words.first() == Some(program))?;
        let verb = call.words.get(1).copied().unwrap_or_default();
        match verbs {
            [] => Some((*program).to_owned()),
            _ if verbs.contains(&verb) => Some(format!("{program} {verb}")),
            _ => None,
        }
    })
}

/// Returns whether a text takes the value of a variable.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        let word = after.trim_start_matches('{').trim_start_matches(['#', '!']);
        let end = word.strip_prefix(name);
        if end.is_some_and(|end| !end.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')) {
            return true;
        }
        rest = after;
    }
    false
}

/// Returns the values that a text gives a variable.
fn values<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let assignment = format!("{name}=");
    let starts: Vec<usize> = text.match_indices(&assignment).map(|(start, _)| start).collect();
    let is_word = |next: char| next.is_ascii_alphanumeric() || next == '_';
    starts
        .into_iter()
        .filter(move |start| !text[..*start].ends_with(is_word))
        .map(move |start| {
            let value = &text[start + assignment.len()..];
            value
                .split(|next: char| next.is_whitespace() || ";&|".contains(next))
                .next()
                .unwrap_or_default()
        })
}

pub(super) fn sets(text: &str, name: &str) -> bool {
    values(text, name).next().is_some()
}

pub(super) fn sets_to(text: &str, name: &str, wanted: &str) -> bool {
    values(text, name).any(|value| value.trim_matches(['"', '\'']) == wanted)
}

pub(super) fn sets_from(text: &str, name: &str, source: &str) -> bool {
    values(text, name).any(|value| mentions(value, source))
}

/// Returns the architecture that an address is named for.
pub(super) fn architecture_in(url: &str) -> Option<&'static str> {
    // An address with a variable in it may vary by that.
    if url.contains('$') {
        return None;
    }
    let parts: Vec<&str> = url.split(|next: char| "-_./:".contains(next)).collect();
    let is_whole = |name: &&&str| {
        let mut names = parts.iter();
        // `x86_64` is two parts.
        names.any(|part| part == *name) || (name.contains('_') && url.contains(**name))
    };
    ARCHITECTURES.iter().find(is_whole).copied()
}

/// Returns the architecture that a `case` over platforms falls back to.
pub(super) fn fallback(text: &str) -> Option<&'static str> {
    if !(text.contains("case ") && mentions(text, "TARGETARCH")
        || mentions(text, "TARGETPLATFORM") && text.contains("case "))
    {
        return None;
    }
    let (_, after) = text.rsplit_once("*)")?;
    let branch = after
        .split(";;")
        .next()
        .unwrap_or_default()
        .split("esac")
        .next()
        .unwrap_or_default();
    let is_assigned = |name: &&&str| {
        let ends = [format!("={name}"), format!("=\"{name}\""), format!("='{name}'")];
        ends.iter().any(|end| branch.contains(end.as_str()))
    };
    ARCHITECTURES.iter().find(is_assigned).copied()
}
