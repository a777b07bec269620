//! Questions to the machine, the network and daemons: asked side by side, each with a limit to its patience.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use lrops_model::cancel::CancelToken;

use super::finding::Check;

/// How long an answer is waited for. Whoever cannot be asked within seconds is not fit for a build either.
pub(super) const PATIENCE: Duration = Duration::from_secs(12);

/// How long those who are told to stop may take: then nobody waits for them.
const FAREWELL: Duration = Duration::from_millis(300);

/// Finds something out; the token says that nobody waits any more.
pub(super) type Ask = Box<dyn FnOnce(&CancelToken) -> Vec<Check> + Send>;

/// Something to find out.
pub(super) struct Question {
    /// Finds it out.
    pub(super) ask: Ask,
    /// What it comes to when there is no answer in time.
    pub(super) late: Check,
}

/// Asks all, and returns what was found in the order of the questions.
pub(super) fn ask_all(questions: Vec<Question>, patience: Duration, cancel: &CancelToken) -> Vec<Check> {
    let (sender, receiver) = mpsc::channel();
    let mut answers: Vec<Vec<Check>> = Vec::new();
    for (index, Question { ask, late }) in questions.into_iter().enumerate() {
        answers.push(vec![late]);
        let (sender, cancel) = (sender.clone(), cancel.clone());
        // One that is late is left to itself, and ends with the program.
        std::thread::spawn(move || {
            let _ = sender.send((index, ask(&cancel)));
        });
    }
    drop(sender);
    let until = Instant::now() + patience;
    // An answer may come by the way of cancellation itself: it is then none.
    while let Ok((index, checks)) = receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
        answers[index] = checks;
    }
    if Instant::now() >= until {
        cancel.cancel();
        let until = Instant::now() + FAREWELL;
        while receiver
            .recv_timeout(until.saturating_duration_since(Instant::now()))
            .is_ok()
        {}
    }
    answers.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, takes: Duration) -> Question {
        let name = name.to_owned();
        Question {
            late: Check::ok(name.clone(), "no answer"),
            ask: Box::new(move |_| {
                std::thread::sleep(takes);
                vec![Check::ok(name, "an answer")]
            }),
        }
    }

    #[test]
    fn one_that_is_slow_does_not_hold_the_others() {
        let questions = vec![
            question("slow", Duration::from_mins(1)),
            question("quick", Duration::ZERO),
        ];
        let cancel = CancelToken::new();
        let checks = ask_all(questions, Duration::from_millis(200), &cancel);
        let found: Vec<(&str, &str)> = checks
            .iter()
            .map(|check| (check.name.as_str(), check.found.as_str()))
            .collect();
        assert_eq!(found, [("slow", "no answer"), ("quick", "an answer")]);
        assert!(cancel.is_cancelled());
    }
}
