//! What the process was started with: variables, directory, terminal, time. Read once, here and nowhere else.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lrops_buildx::quoted;
use lrops_model::timestamp::Timestamp;

use crate::failure::Failure;

/// What the process was started with.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
    /// The words of the command line, without the program's own name.
    words: Vec<String>,
    /// The working directory.
    pub(crate) directory: PathBuf,
    /// The time.
    pub(crate) now: Timestamp,
    /// Whether a person watches standard error.
    pub(crate) terminal: bool,
    /// Whether a person can be asked on standard input.
    pub(crate) input_terminal: bool,
    /// Whether standard output goes to a person, too, and not to a program or a file.
    pub(crate) data_terminal: bool,
}

impl Environment {
    /// Returns this process's environment. Variables that are no UTF-8 are passed over.
    ///
    /// # Errors
    /// When the working directory is gone.
    pub(crate) fn of_process() -> Result<Self, Failure> {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let directory = std::env::current_dir()
            .map_err(|source| Failure::machine("failed to find the working directory", source))?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |duration| duration.as_secs());
        Ok(Self {
            variables,
            words: std::env::args_os()
                .skip(1)
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            directory,
            now: Timestamp(i64::try_from(now).unwrap_or(i64::MAX)),
            terminal: std::io::stderr().is_terminal(),
            input_terminal: std::io::stdin().is_terminal(),
            data_terminal: std::io::stdout().is_terminal(),
        })
    }

    /// Returns an environment for tests.
    #[cfg(test)]
    pub(crate) fn for_test(directory: &Path, variables: &[(&str, &str)]) -> Self {
        Self {
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            words: Vec::new(),
            directory: directory.to_owned(),
            now: Timestamp(1_700_000_000),
            terminal: false,
            input_terminal: false,
            data_terminal: false,
        }
    }

    /// Returns a variable; one that is set to nothing counts as not set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Returns a variable as it is, even when it is empty.
    pub(crate) fn exact(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Returns a variable in small or capital letters, whichever is set.
    pub(crate) fn get_either_case(&self, name: &str) -> Option<&str> {
        self.get(name).or_else(|| self.get(&name.to_uppercase()))
    }

    /// Returns the command as it was typed, to be pasted into a shell.
    pub(crate) fn command_line(&self) -> String {
        let words = self.words.iter().map(|word| quoted(word));
        std::iter::once("lrops".to_owned())
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Returns a path as seen from the working directory.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    fn home(&self) -> PathBuf {
        self.get("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from)
    }

    /// Returns the store's directory: as asked, else `$LROPS_ROOT`, else below the XDG cache directory.
    pub(crate) fn store_root(&self, asked: Option<&Path>) -> PathBuf {
        if let Some(path) = asked {
            return self.absolute(path);
        }
        if let Some(path) = self.get("LROPS_ROOT") {
            return self.absolute(Path::new(path));
        }
        match self
            .get("XDG_CACHE_HOME")
            .map(Path::new)
            .filter(|path| path.is_absolute())
        {
            Some(cache) => cache.join("lrops"),
            None => self.home().join(".cache/lrops"),
        }
    }

    /// Returns the directory of the user's configuration, `$XDG_CONFIG_HOME` or `~/.config`, when there can be one.
    pub(crate) fn configuration_home(&self) -> Option<PathBuf> {
        let named = self.get("XDG_CONFIG_HOME").map(PathBuf::from);
        named
            .filter(|path| path.is_absolute())
            .or_else(|| self.get("HOME").map(|home| Path::new(home).join(".config")))
    }

    /// Returns the directory of Docker's own configuration.
    pub(crate) fn docker_config(&self) -> PathBuf {
        match self.get("DOCKER_CONFIG") {
            Some(path) => self.absolute(Path::new(path)),
            None => self.home().join(".docker"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_where_the_nearest_wish_says() {
        let check = |asked: Option<&str>, variables: &[(&str, &str)]| {
            let root = Environment::for_test(Path::new("/w"), variables).store_root(asked.map(Path::new));
            root.display().to_string()
        };
        let all = [("LROPS_ROOT", "/r"), ("XDG_CACHE_HOME", "/c"), ("HOME", "/h")];
        assert_eq!(check(Some("s"), &all), "/w/s");
        assert_eq!(check(None, &all), "/r");
        assert_eq!(check(None, &all[1..]), "/c/lrops");
        assert_eq!(check(None, &all[2..]), "/h/.cache/lrops");
        assert_eq!(
            check(None, &[("XDG_CACHE_HOME", "relative"), ("HOME", "/h")]),
            "/h/.cache/lrops"
        );
    }
}
