//! Contexts that are addresses of git repositories: they are here while they are built.

use lrops_model::cancel::CancelToken;

use super::say;
use super::tree::Tree;
use crate::arguments::BuildArguments;
use crate::configuration::is_remote;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::git::GitAddress;
use crate::session::open_store;
use crate::signals::Early;

/// Does something with a build's arguments, after a repository that is its context was brought to this machine: the
/// arguments then name a directory. The Dockerfile is one of the repository's.
///
/// # Errors
/// When it cannot be brought; otherwise what the work fails by.
pub(super) fn with_context_here<T>(
    arguments: &BuildArguments,
    environment: &Environment,
    work: impl FnOnce(&BuildArguments) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Some(address) = arguments.context.as_deref().and_then(GitAddress::parse) else {
        return work(arguments);
    };
    let address = address.map_err(|problem| Failure::usage(format!("the context: {problem}")))?;
    let cancel = CancelToken::new();
    let early = Early::watch(&cancel)?;
    let store = open_store(&environment.store_root(arguments.places.store.as_deref()))?;
    say(&format!("bringing {}", address.remote));
    let (tree, directory) = Tree::bring(&address, &store, environment, &cancel)?;
    drop(early);
    let is_of_repository = |file: &String| file != "-" && !is_remote(file);
    let file = arguments.file.clone().map(|file| {
        if is_of_repository(&file) {
            directory.join(file).display().to_string()
        } else {
            file
        }
    });
    let here = BuildArguments {
        context: Some(directory.display().to_string()),
        file,
        ..arguments.clone()
    };
    let done = work(&here);
    drop(tree);
    done
}
