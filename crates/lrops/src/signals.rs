//! Ctrl-C: the first asks the build to stop and leave everything sound, the second ends the program at once.

use std::thread;

use lrops_model::cancel::CancelToken;
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

use crate::failure::Failure;

/// The exit code of a program that was interrupted.
const INTERRUPTED: i32 = 130;

const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Listens for signals until it is dropped, without a thread: the namespaces are not entered yet.
pub(crate) struct Early(Vec<SigId>);

impl Early {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the kernel takes no handlers.
    pub(crate) fn watch(cancel: &CancelToken) -> Result<Self, Failure> {
        let failed = |source| Failure::machine("failed to listen for signals", source);
        let mut early = Self(Vec::new());
        for signal in SIGNALS {
            // The first is for the second time: it looks at the flag that the other one sets.
            let ends = flag::register_conditional_shutdown(signal, INTERRUPTED, cancel.flag());
            early.0.push(ends.map_err(failed)?);
            early
                .0
                .push(flag::register(signal, cancel.flag()).map_err(failed)?);
        }
        Ok(early)
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        for handler in self.0.drain(..) {
            low_level::unregister(handler);
        }
    }
}

/// Starts the thread that waits for signals, and says through `notice` that it heard one. To be called after the
/// namespaces were entered.
///
/// # Errors
/// When the kernel takes no handlers.
pub(crate) fn watch(cancel: &CancelToken, notice: impl Fn(&str) + Send + 'static) -> Result<(), Failure> {
    let failed = |source| Failure::machine("failed to listen for signals", source);
    let mut signals = Signals::new(SIGNALS).map_err(failed)?;
    let cancel = cancel.clone();
    let wait = move || {
        for _ in signals.forever() {
            if cancel.is_cancelled() {
                // Commands die with this process: the sandbox asks the kernel for that.
                std::process::exit(INTERRUPTED);
            }
            cancel.cancel();
            notice("stopping; once more to stop at once");
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .map_err(failed)?;
    Ok(())
}
